// Tags of types and declarations, whose texts must not become code in the docs.
#include "hazard.h"

#define type_tag(text) __attribute__((btf_type_tag(text)))
#define decl_tag(text) __attribute__((btf_decl_tag(text)))

struct tagged {
    int type_tag("user") *user;
    int type_tag("rcu") type_tag("percpu") *both;
    char type_tag("user") *const type_tag("outer") *nested;
    int plain decl_tag("a member");
    int odd decl_tag("*/ } \"#] ```\nstd::process::abort()\n```\n    indented() //! \\ \t {}");
    int bits : 3 decl_tag("bits");
    union {
        int a decl_tag("an arm");
        float b;
    } decl_tag("an anonymous union");
} decl_tag("a struct") decl_tag("twice");

typedef struct tagged tagged_t decl_tag("a typedef");

tagged_t tagged decl_tag("a variable");
int function(int argument decl_tag("an argument")) decl_tag("a function");

__attribute__((noinline)) int function(int argument) { return argument + tagged.plain; }
SEC("raw_tp/x") int prog(void *ctx) { return function(1); }

// The compiler refuses comments with characters that change the direction of text.
struct turned {
    int a __attribute__((btf_decl_tag("\u202e\u2066")));
};
struct turned turned SEC(".data.\u202e");
