/* The kernel's vCPUs, of which one works at a time: the others are down, and the first waits. */
#include "lab.h"

void trap_page_fault(void);
void trap_protection(void);
void event(void);
void from_user_mode(void);

u32 vcpus = 1;
union vcpu_stack stacks[VCPUS] __attribute__((aligned(STACK_BYTES)));

static void set_traps(void)
{
	static const struct trap_info traps[] = {
		{13, 0, FLAT_KERNEL_CS, (ulong)trap_protection},
		{14, 0, FLAT_KERNEL_CS, (ulong)trap_page_fault},
		{0, 0, 0, 0},
	};

	hypercall(__HYPERVISOR_set_trap_table, (ulong)traps, 0, 0, 0);
#if IS64
	hypercall(__HYPERVISOR_set_callbacks, (ulong)event, 0, (ulong)from_user_mode, 0);
	hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, (ulong)(self() + 1), 0, 0);
#else
	hypercall(__HYPERVISOR_set_callbacks, FLAT_KERNEL_CS, (ulong)event, 0, 0);
#endif
}

static void vcpu_main(void)
{
	struct vcpu *v = self();

	for (;;) {
		if (v->work) {
			v->work();
			v->work = 0;
		}
		hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, v->number, 0, 0);
	}
}

/* What a vCPU needs for its first hypercall. */
void vcpu_prepare(u32 number)
{
	struct vcpu *v = &stacks[number].vcpu;

	v->number = number;
	v->event = (volatile u16 *)(shared_info + number * VCPU_INFO_BYTES);
}

static void initialise(u32 number)
{
	static struct vcpu_guest_context context;
	ulong top = (ulong)(stacks + number + 1) - sizeof(ulong);

	vcpu_prepare(number);
	stacks[number].vcpu.base = ROOT;
	context.flags = VGCF_IN_KERNEL;
	context.user_regs.ip = (ulong)vcpu_main;
	context.user_regs.cs = FLAT_KERNEL_CS;
	context.user_regs.flags = EFLAGS_IF;
	context.user_regs.sp = context.kernel_sp = top;
	context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
	context.user_regs.ds = context.user_regs.es = FLAT_KERNEL_SS;
	context.ctrlreg[3] = cr3_of(ROOT);
	if (hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, number, (ulong)&context, 0))
		die("a vCPU cannot be initialised");
	on(number, set_traps);
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
		hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, number, 0, 0);
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0);
	}
}

void vcpus_start(void)
{
	on(0, set_traps);
	for (u32 i = 1; i < VCPUS; i++)
		initialise(i);
}
