// Types, of the user and of the kernel, that only signatures refer to.
#include "hazard.h"

enum verdict { PASS, DROP = 7 };
struct part { short x, y; };
struct request { int id; enum verdict out; u64 sum; struct part parts[2]; };
typedef struct { u32 a; char text[4]; } nameless;
struct opaque { u8 a; };
union either { u32 a; u8 b[4]; };

// As in `vmlinux.h`: a field of the first is read, the second is passed on, the third is a context.
struct __attribute__((preserve_access_index)) kernel_task { int pid; struct part part; };
struct kernel_file;
struct kernel_socket { u64 flags; struct kernel_file *file; };
struct xdp_md { u32 data, data_end; };
struct holder { u32 a; struct kernel_socket socket; };

SEC("syscall") int run(struct request *ctx) { ctx->sum += ctx->id; ctx->out = DROP; return 0; }
__attribute__((noinline)) enum verdict judge(const nameless *of, union either *either) { return of && either && of->a == either->a ? DROP : PASS; }
__attribute__((noinline)) static int hidden(struct opaque *of) { return of ? of->a : 0; }
__attribute__((noinline)) int task(struct kernel_task *of) { return of ? of->pid : 0; }
__attribute__((noinline)) int sock(struct kernel_socket *of) { return of ? of->flags : 0; }
__attribute__((noinline)) int hold(struct holder *of) { return of ? of->a : 0; }
SEC("xdp") int packet(struct xdp_md *ctx) {
    nameless one = {ctx->data};
    struct opaque two = {3};
    return judge(&one, (void *)&one) + hidden(&two) + task(0) + sock(0) + hold(0);
}
