/*
 * The kernel's vCPUs, of which one works at a time: the others are down, and the first waits. Xen initialises each of its
 * vCPUs once; where a program resets one, another of Xen's takes its place.
 */
#include "lab.h"

void trap_page_fault(void);
void trap_protection(void);
void event(void);
void from_user_mode(void);
void user_mode(void);

u32 vcpus = 1;
union vcpu_stack stacks[VCPUS] __attribute__((aligned(STACK_BYTES)));
static u32 next_id = VCPUS; /* of Xen's vCPUs the first that has not been used */

static const struct trap_info traps[] = {
	{13, 0, FLAT_KERNEL_CS, (ulong)trap_protection},
	{14, 0, FLAT_KERNEL_CS, (ulong)trap_page_fault},
	{0, 0, 0, 0},
};

/* What a vCPU needs for its first hypercall. */
void vcpu_prepare(u32 number, u32 id)
{
	struct vcpu *v = &stacks[number].vcpu;

	v->number = number;
	v->id = id;
	v->event = (volatile u16 *)(shared_info + number * VCPU_INFO_BYTES);
}

static long vcpu_op(ulong op, u32 id, const void *argument)
{
	return hypercall(__HYPERVISOR_vcpu_op, op, id, (ulong)argument, 0);
}

/* A timer of Xen's for the vCPU would stop calls, too. */
static void stop_ticks(u32 id)
{
	vcpu_op(VCPUOP_stop_periodic_timer, id, 0);
}

static void vcpu_main(void)
{
	struct vcpu *v = self();

	for (;;) {
		if (v->work) {
			v->work();
			v->work = 0;
		}
		vcpu_op(VCPUOP_down, v->id, 0);
	}
}

/* VCPUOP_initialise. A vCPU that begins in user mode comes into the kernel at once. */
struct multicall_entry initialise_call(u32 number, ulong base, ulong user_base, int in_user_mode)
{
	static struct vcpu_guest_context context;
	struct vcpu *v = &stacks[number].vcpu;
	ulong *top = (ulong *)(stacks + number + 1) - 1;

	context.flags = in_user_mode ? 0 : VGCF_IN_KERNEL;
	context.user_regs.ip = (ulong)vcpu_main;
	context.user_regs.cs = FLAT_KERNEL_CS;
	context.user_regs.flags = EFLAGS_IF;
	context.user_regs.sp = (ulong)top;
	context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
	context.user_regs.ds = context.user_regs.es = FLAT_KERNEL_SS;
	context.kernel_sp = (ulong)(v + 1);
	context.ctrlreg[3] = cr3_of(base);
	context.ctrlreg[1] = user_base ? cr3_of(user_base) : 0;
	for (u32 i = 0; traps[i].address; i++)
		context.trap_ctxt[traps[i].vector] = traps[i];
	context.event_callback = (ulong)event;
#if IS64
	context.syscall_callback = (ulong)from_user_mode;
	context.user_regs.bx = 0;
	if (in_user_mode && v->down) {
		context.user_regs.ip = (ulong)user_mode;
		*--top = (ulong)vcpu_main; /* where from_user_mode returns to, having taken two registers */
		context.user_regs.bx = (ulong)(top - 2);
	}
#else
	context.event_callback_cs = FLAT_KERNEL_CS;
#endif
	return (struct multicall_entry){__HYPERVISOR_vcpu_op, 0, {VCPUOP_initialise, v->id, (ulong)&context}};
}

/* With the boot table. */
void vcpu_initialise(u32 number)
{
	struct multicall_entry call = initialise_call(number, ROOT, 0, 0);

	hypercall_event(&call, EVENT_MASKED);
	if (call.result)
		die("a vCPU cannot be initialised");
	stacks[number].vcpu.down = 0;
}

/* Whether so many of Xen's vCPUs have not been used. */
int vcpus_left(u32 count)
{
	return count == 0 || vcpu_op(VCPUOP_is_up, next_id + count - 1, 0) >= 0;
}

/* Another of Xen's vCPUs takes the place of one that has let go of everything; it has not been initialised. */
void vcpu_replace(u32 number)
{
	struct vcpu *v = &stacks[number].vcpu;
	struct vcpu_register_vcpu_info place = {mfn_in(pte_of(shared_info)), number * VCPU_INFO_BYTES, 0};

	vcpu_prepare(number, next_id++);
	if (vcpu_op(VCPUOP_register_vcpu_info, v->id, &place))
		die("a vCPU has no place for its events");
	stop_ticks(v->id);
	*v->event = EVENT_MASKED;
	v->down = 1;
}

/* Has it done on that vCPU, and waits until it is. */
void on(u32 number, void (*work)(void))
{
	struct vcpu *v = &stacks[number].vcpu;

	if (number == 0) {
		work();
		return;
	}
	v->work = work;
	while (v->work) {
		vcpu_op(VCPUOP_up, v->id, 0);
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0);
	}
}

void vcpus_start(void)
{
	hypercall(__HYPERVISOR_set_trap_table, (ulong)traps, 0, 0, 0);
#if IS64
	hypercall(__HYPERVISOR_set_callbacks, (ulong)event, 0, (ulong)from_user_mode, 0);
	hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, (ulong)(self() + 1), 0, 0);
#else
	hypercall(__HYPERVISOR_set_callbacks, FLAT_KERNEL_CS, (ulong)event, 0, 0);
#endif
	stop_ticks(0);
	for (u32 i = 1; i < VCPUS; i++) {
		vcpu_prepare(i, i);
		stop_ticks(i);
		vcpu_initialise(i);
	}
}
