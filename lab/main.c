/* The lab: a PV kernel that runs batches of programs for the host. */
#include "lab.h"

static volatile struct batch_head *head;

static void mark(u32 operation)
{
	print_number("lab: step ", operation);
	print("\n");
}

static const struct record *record; /* of the operation that runs */
static u32 *answers, status;

/* For an operation with `contend=`: so the host knows when it runs (src/xen/races.ts). */
static void tell(u32 contended)
{
	volatile u16 *event = self()->event;

	head->event = (pte_of((void *)event) & PFN_MASK) + (ulong)event % PAGE;
	head->contended = contended;
	race();
}

static void run_operation(void)
{
	if (CONTENDED(record))
		tell(CONTENDED(record));
	status = subject == DOMID_SELF ? execute(record, answers) : domain_execute(record, answers);
	if (CONTENDED(record))
		tell(0);
}

/* The toolstack's part: the vCPU drops its tables, and one that Xen has never initialised takes its place. */
static void reset_vcpu(void)
{
	status = UNSUPPORTED;
	if (record->count == 0 || record->count >= vcpus || stacks[record->count].vcpu.down)
		return;
	on(record->count, let_go_of_vcpu);
	vcpu_replace(record->count);
	status = DONE;
}

static void run_record(void)
{
	if (subject != DOMID_SELF)
		run_operation();
	else if (stacks[CPU(record)].vcpu.down)
		*answers = DEAD;
	else if (OPCODE(record) == OP_RESET_VCPU)
		reset_vcpu();
	else
		on(CPU(record), run_operation);
}

static u32 count_resets(const struct record *records, u32 count)
{
	u32 resets = 0;

	for (u32 i = 0; i < count; i++)
		resets += OPCODE(records + i) == OP_RESET_VCPU;
	return resets;
}

static u32 prepare(const struct record *records, u32 count, u32 flags)
{
	u32 wanted = flags & PROGRAM_FRAMES, wanted_vcpus = (flags >> PROGRAM_VCPUS_SHIFT & 3) + 1;

	if (flags & PROGRAM_DOMAIN)
		return domain_prepare(wanted, wanted_vcpus);
	return vcpus_left(count_resets(records, count)) &&
			       state_prepare(wanted, wanted_vcpus, (flags & PROGRAM_ASSIST) != 0)
		       ? DONE
		       : EXHAUSTED;
}

static u32 *run(const u32 *request, u32 *answer)
{
	const struct record *records = (const struct record *)(request + 2);
	u32 count = request[0], flags = request[1], operation = 0;
	u32 *out = answer + 4;

	answer[0] = prepare(records, count, flags);
	answer[1] = answer[2] = answer[3] = 0;
	if (answer[0] == EXHAUSTED)
		return out;
	answer[3] = count;
	for (u32 i = 0; i < count; i++)
		out[i] = 0;
	for (u32 i = 0; i < count && answer[0] == DONE; i += 1 + records[i].items, operation++) {
		head->operation = answer[1] = operation;
		if (flags & PROGRAM_MARKED)
			mark(operation);
		record = records + i;
		answers = out + i;
		run_record();
		answer[0] = status;
	}
	if (answer[0] == DONE)
		answer[1] = operation;
	if (flags & PROGRAM_MARKED)
		print("lab: over\n");
	out += count;
	if (head->frame_table)
		out = state_counts(out);
	if (subject != DOMID_SELF) {
		out = domain_report(out);
		answer[2] = domain_restore();
	} else {
		out = state_report(out);
		answer[2] = state_restore();
	}
	return out;
}

/* The most words that a program's answer takes. */
static u32 most_words(const u32 *request)
{
	return 4 + request[0] + ((request[1] & PROGRAM_FRAMES) + 1) * (COUNT_WORDS + 2 + 3 * ENTRIES);
}

static void run_batch(u32 number)
{
	u8 *slot = (u8 *)head + PAGE + (number % SLOTS) * (REQUEST_BYTES + ANSWER_BYTES);
	const u32 *request = (const u32 *)slot;
	volatile u32 *answers = (u32 *)(slot + REQUEST_BYTES);
	u32 *out = (u32 *)answers + 2, *end = (u32 *)answers + ANSWER_BYTES / 4;
	u32 count = *request++;

	answers[0] = 0;
	for (u32 i = 0; i < count && out + most_words(request) <= end; i++) {
		head->program = i;
		out = run(request, out);
		request += 2 + request[0] * (sizeof(struct record) / 4);
		/* Should the next program end Xen, these are answered. */
		answers[1] = out - answers;
		answers[0] = i + 1;
	}
}

/* Sleeps for a moment, but not at once: the next batch mostly is there soon. */
static void wait(u32 *idle)
{
	struct sched_poll poll = {0, 0, 0};

	if (++*idle < 10000)
		return;
	poll.timeout = now() + 300000;
	hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (ulong)&poll, 0, 0);
}

void lab_main(const struct start_info *info)
{
	u32 idle = 0;

	vcpu_prepare(0, 0);
	memory_start(info);
	vcpus_start();
	head = (volatile struct batch_head *)info->mod_start;
	if (info->mod_len < MODULE_BYTES || head->magic != MAGIC || head->version != VERSION)
		die("the boot module is not a batch");
	head->race = (ulong)race;
	for (ulong at = 0; at < MODULE_BYTES; at += PAGE)
		if ((pte_of((u8 *)head + at) & PFN_MASK) != (pte_of((u8 *)head) & PFN_MASK) + at)
			die("the boot module is in pieces");
	print_number("lab: ready, module at ", pte_of((u8 *)head) & PFN_MASK);
	print_number(" slot ", pae_xen_slot);
	print_number(" root ", ROOT);
	print("\n");
	for (;;) {
		if (head->request == head->answered) {
			wait(&idle);
			continue;
		}
		run_batch(head->answered + 1);
		head->answered++;
		idle = 0;
	}
}
