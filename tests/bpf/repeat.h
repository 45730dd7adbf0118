// Runs `body(i, context)` for `count` numbers `i`, but 64 at most: the verifier goes through every round. Programs are run again for more.
// The way without that limit, bpf_loop, came with Linux 5.17.
#define repeat(count, body, context) \
    _Pragma("clang loop unroll(disable)") \
    for (unsigned int i = 0; i < 64 && i < (count); i++) \
        body(i, context)
