/* Xen's console, for what a person or the host should read. */
#include "lab.h"

void print(const char *text)
{
	ulong length = 0;

	while (text[length])
		length++;
	hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, length, (ulong)text, 0);
}

void print_number(const char *before, u64 number)
{
	char digits[19], *first = digits + 18;

	*first = 0;
	do
		*--first = "0123456789abcdef"[number & 15];
	while (number >>= 4);
	print(before);
	print(first);
}

void die(const char *why)
{
	print("lab: ");
	print(why);
	print("\n");
	asm volatile("ud2");
	__builtin_unreachable();
}
