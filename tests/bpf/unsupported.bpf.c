// Types that are refused for now, each by its name.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

union either {
    int number;
    char text[4];
};

struct bits {
    unsigned int low : 3;
    unsigned int high : 5;
};

struct tight {
    char id;
    int number;
} __attribute__((packed));

struct holder {
    int before;
    struct {
        int inner;
    };
};

union either either;
struct bits bits;
struct tight tight;
struct holder holder;

char LICENSE[] SEC("license") = "Dual BSD/GPL";
