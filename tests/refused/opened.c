// What libbpf does not open, beside what is nearly the same and fine: behind `//=` its name, and what the build says.
// clang-format off

//= extern_function: the function `other` is called and not defined
extern int other(int);
SEC("raw_tp/x") int p(void *c) { return other(1); }

//= extern_weak: `other` is called and not defined
extern int other(int) __attribute__((weak));
SEC("raw_tp/x") int p(void *c) { return other ? other(1) : 0; }

//= extern_variable: the variable `other` is used and not defined
extern int other;
SEC("raw_tp/x") int p(void *c) { return other; }

//= extern_unused
extern int other;
SEC("raw_tp/x") int p(void *c) { return 0; }

//= ksym
extern int other(int) __attribute__((section(".ksyms")));
SEC("raw_tp/x") int p(void *c) { return other(1); }

//= ksym_weak
extern const void v __attribute__((section(".ksyms"), weak));
SEC("raw_tp/x") int p(void *c) { return &v != 0; }
