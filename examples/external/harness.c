/*
 * An external model: a filter that reads program text (docs/format.md) and
 * writes it with its own answers in the place of "-> ?". In the place of
 * answer() a real harness has the code under test, Xen's mm.c in user space
 * for example.
 *
 * This one knows the three operations that external.mjs asks for, on frames
 * that begin as writable pages, and has one mistake: it pins twice.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FRAMES 512

static struct frame {
    bool writable;   /* mapped with RW by its window */
    bool pinned;     /* as an L1 */
} frames[FRAMES];

/* The whole operation, not only its beginning: options change what it does. */
#define IS(op, fields, format, ...)                                         \
    (end = 0, sscanf(op, format "%n", __VA_ARGS__, &end) == (fields) &&     \
              end > 0 && op[end] == '\0')

static const char *answer(const char *op)
{
    unsigned int i, target;
    char flags[32];
    int end;

    if ( IS(op, 1, "pin L1 F%u", &i) && i < FRAMES )
    {
        if ( frames[i].writable )
            return "EINVAL";
        /* The mistake: EINVAL, where the frame is pinned already. */
        frames[i].pinned = true;
        return "ok";
    }

    if ( IS(op, 1, "unpin F%u", &i) && i < FRAMES )
    {
        if ( !frames[i].pinned )
            return "EINVAL";
        frames[i].pinned = false;
        return "ok";
    }

    if ( IS(op, 3, "update_va W%u F%u|%31s", &i, &target, flags) &&
         i < FRAMES && i == target )
    {
        bool rw = strstr(flags, "RW") != NULL;

        if ( rw && frames[i].pinned )
            return "EBUSY";
        frames[i].writable = rw;
        return "ok";
    }

    if ( IS(op, 1, "update_va W%u 0", &i) && i < FRAMES )
    {
        frames[i].writable = false;
        return "ok";
    }

    return "?"; /* not known: nothing after it is held against us */
}

int main(void)
{
    static char line[1 << 20];

    while ( fgets(line, sizeof(line), stdin) )
    {
        char *open = strstr(line, " -> ?");
        unsigned int i;

        if ( !strncmp(line, "program ", 8) )
            for ( i = 0; i < FRAMES; ++i )
                frames[i] = (struct frame){ .writable = true };

        if ( open )
        {
            *open = '\0';
            printf("%s -> %s\n", line, answer(line));
        }
        else
            fputs(line, stdout);
    }

    return ferror(stdin) ? 1 : 0;
}
