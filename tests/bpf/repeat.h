// Runs `body(i, context)` for `count` numbers `i`, at most 64, since the verifier follows every
// round. Tests run programs again for more. bpf_loop has no such limit; it came with Linux 5.17.
#define repeat(count, body, context) \
    _Pragma("clang loop unroll(disable)") \
    for (unsigned int i = 0; i < 64 && i < (count); i++) \
        body(i, context)
