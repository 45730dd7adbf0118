// Values that an object takes from the kernel's configuration. No kernel has settings of these
// names; tests replace them with other names, none of which is longer.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int CONFIG_EUNOMIA_A_NUMBER_OF_NOBODY __kconfig;
extern _Bool CONFIG_EUNOMIA_A_SWITCH_OF_NOBODY __kconfig __weak;
extern signed char CONFIG_EUNOMIA_A_LETTER_OF_NOBODY __kconfig __weak;
extern char CONFIG_EUNOMIA_A_TEXT_OF_NOBODY[8] __kconfig __weak;

long long seen;

SEC("raw_tp/sys_enter")
int look(void *ctx)
{
    seen = CONFIG_EUNOMIA_A_NUMBER_OF_NOBODY + CONFIG_EUNOMIA_A_SWITCH_OF_NOBODY + CONFIG_EUNOMIA_A_LETTER_OF_NOBODY +
           CONFIG_EUNOMIA_A_TEXT_OF_NOBODY[0];
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
