/* SPDX-License-Identifier: MIT */

/*
 * eunomia.bpf.h: what a BPF program says about itself, for the programs that load it.
 *
 * The macros here write declaration tags and map definitions into the object's BTF. eunomia reads
 * them from the object alone: the types of records, the options of the command line, samples,
 * descriptions. libbpf and the kernel ignore them; libbpf removes the tags for kernels before 5.16.
 *
 * Include it after vmlinux.h or <linux/bpf.h>. It needs clang 14 or newer and libbpf's headers.
 */

#ifndef EUNOMIA_BPF_H
#define EUNOMIA_BPF_H

#include <bpf/bpf_helpers.h>

#if !__has_attribute(btf_decl_tag)
#error "this compiler ignores BTF declaration tags, so the object would say nothing; use clang 14 or newer"
#endif

/*
 * A key of the skeleton and its value, for the variable, map, function or member that it stands at.
 * Both are strings. The macros below are for the known keys.
 */
#define EUNOMIA(KEY, VALUE) __attribute__((btf_decl_tag("eunomia:" KEY "=" VALUE)))

/* ---- Records ---------------------------------------------------------------------------------- */

/* A ring buffer of BYTES whose records have the type TYPE, and the counter of its lost records. */
#define EUNOMIA_RINGBUF(NAME, BYTES, ...)                                                          \
    struct {                                                                                       \
        EUNOMIA_RECORDS(BPF_MAP_TYPE_RINGBUF, __VA_ARGS__);                                        \
        __uint(max_entries, BYTES);                                                                \
    } NAME SEC(".maps");                                                                           \
    EUNOMIA_DROPPED(NAME)

/* A perf event array whose records have the type TYPE. The kernel counts its lost records. */
#define EUNOMIA_PERF_EVENT_ARRAY(NAME, ...)                                                        \
    struct {                                                                                       \
        EUNOMIA_RECORDS(BPF_MAP_TYPE_PERF_EVENT_ARRAY, __VA_ARGS__);                               \
        __uint(key_size, sizeof(int));                                                             \
        __uint(value_size, sizeof(int));                                                           \
    } NAME SEC(".maps")

/*
 * The type of the map and of its records, in a map definition. It stands for `__uint(type, ..)`,
 * of which libbpf reads only the length of the array. `int` is the type that `__uint` writes:
 * records that are an `int` need another name for it, such as `__s32`.
 */
#define EUNOMIA_RECORDS(MAP_TYPE, ...) __typeof__(__VA_ARGS__)(*type)[MAP_TYPE]

/*
 * Records of several types: EUNOMIA_ONE_OF(EUNOMIA_WHEN(..) EUNOMIA_WHEN(..)) as TYPE. A member
 * that all of the types have at the same place tells them apart. MEMBER is its name, or a path such
 * as `header.kind`. VALUE is a constant, which may be negative.
 */
#define EUNOMIA_ONE_OF(...)                                                                        \
    union {                                                                                        \
        __VA_ARGS__                                                                                \
    }

#define EUNOMIA_WHEN(MEMBER, VALUE, ...)                                                           \
    struct {                                                                                       \
        __typeof__(__VA_ARGS__) type;                                                              \
        int (*low)[(unsigned int)(VALUE)];                                                         \
        int (*high)[(unsigned int)((unsigned long long)(VALUE) >> 32)];                            \
    } __EUNOMIA_CONCAT(when_, __COUNTER__) EUNOMIA("when", #MEMBER);

/*
 * The counters of the lost records of a ring buffer that is defined by hand. Programs on different
 * CPUs count in different cache lines: with one counter, a failed reservation takes half as long
 * again if two CPUs fail at once. More than 64 CPUs share them.
 */
#define EUNOMIA_DROPPED(NAME)                                                                      \
    static volatile unsigned long long NAME##_dropped[64][8] __attribute__((unused))

/* ---- Sending ---------------------------------------------------------------------------------- */

/*
 * Reserves a record in a ring buffer, and counts it as lost if the buffer is full. Returns a pointer
 * to it, or NULL. The record holds what the buffer held before: write all of its bytes, or reserve it
 * zeroed, which takes a quarter longer for 168 bytes and four times as long for 1 KiB. A program
 * gives the record back with eunomia_submit or eunomia_discard.
 */
#define eunomia_reserve(NAME) eunomia_reserve_as(NAME, __typeof__((*(NAME).type)[0]))

/* Reserves a record of one of several types. */
#define eunomia_reserve_as(NAME, ...)                                                              \
    ({                                                                                             \
        __typeof__(__VA_ARGS__) *__record = bpf_ringbuf_reserve(&(NAME), sizeof(*__record), 0);    \
        if (!__record)                                                                             \
            eunomia_count_dropped(NAME);                                                           \
        __record;                                                                                  \
    })

/* Reserves a record of zeroes. */
#define eunomia_reserve_zeroed(NAME)                                                               \
    eunomia_reserve_zeroed_as(NAME, __typeof__((*(NAME).type)[0]))

/* Reserves a record of zeroes of one of several types. */
#define eunomia_reserve_zeroed_as(NAME, ...)                                                       \
    ({                                                                                             \
        __typeof__(__VA_ARGS__) *__zeroed = eunomia_reserve_as(NAME, __VA_ARGS__);                 \
        if (__zeroed)                                                                              \
            __eunomia_zero(__zeroed, sizeof(*__zeroed));                                           \
        __zeroed;                                                                                  \
    })

#define eunomia_submit(RECORD) bpf_ringbuf_submit(RECORD, 0)

#define eunomia_discard(RECORD) bpf_ringbuf_discard(RECORD, 0)

/*
 * Copies a record into a ring buffer, and counts it as lost if the buffer is full. Returns 0 or a
 * negative error.
 */
#define eunomia_output(NAME, RECORD)                                                               \
    ({                                                                                             \
        __typeof__((*(NAME).type)[0]) *__record = (RECORD);                                        \
        long __result = bpf_ringbuf_output(&(NAME), __record, sizeof(*__record), 0);               \
        if (__result)                                                                              \
            eunomia_count_dropped(NAME);                                                           \
        __result;                                                                                  \
    })

/* Copies a record into the perf buffer of this CPU. Returns 0 or a negative error. */
#define eunomia_perf_output(CTX, NAME, RECORD)                                                     \
    ({                                                                                             \
        __typeof__((*(NAME).type)[0]) *__record = (RECORD);                                        \
        bpf_perf_event_output(CTX, &(NAME), BPF_F_CURRENT_CPU, __record, sizeof(*__record));       \
    })

/* Counts a lost record of a ring buffer. */
#define eunomia_count_dropped(NAME)                                                                \
    ((void)__sync_fetch_and_add(&NAME##_dropped[bpf_get_smp_processor_id() & 63][0], 1))

/* ---- Options: at a global variable ------------------------------------------------------------ */

/* `const volatile int pid EUNOMIA_HELP("Process to trace") EUNOMIA_SHORT("p") = 0;` */
#define EUNOMIA_HELP(TEXT) EUNOMIA("cmdarg.help", TEXT)
#define EUNOMIA_LONG(NAME) EUNOMIA("cmdarg.long", NAME)
#define EUNOMIA_SHORT(LETTER) EUNOMIA("cmdarg.short", LETTER)
#define EUNOMIA_DEFAULT(VALUE) EUNOMIA("cmdarg.default", __EUNOMIA_TEXT(VALUE))

/* The command line has no option for the variable. */
#define EUNOMIA_HIDDEN EUNOMIA("cmdarg.hidden", "true")

/* ---- Samples: at a map ------------------------------------------------------------------------ */

/* Reads the map every INTERVAL milliseconds. VIEW is log2_hist, linear_hist or default_kv. */
#define EUNOMIA_SAMPLE(VIEW, INTERVAL)                                                             \
    EUNOMIA("sample.type", #VIEW) EUNOMIA("sample.interval", __EUNOMIA_TEXT(INTERVAL))

/* The unit of a histogram. */
#define EUNOMIA_UNIT(TEXT) EUNOMIA("sample.unit", TEXT)

/* Clears the map after each reading. */
#define EUNOMIA_CLEAR EUNOMIA("sample.clear_map", "true")

/* ---- Targets: at a program -------------------------------------------------------------------- */

/* Where `attach` attaches an XDP program: the index of an interface, and XDP_FLAGS_*. */
#define EUNOMIA_XDP(IFINDEX, FLAGS)                                                                \
    EUNOMIA("ifindex", __EUNOMIA_TEXT(IFINDEX)) EUNOMIA("flags", __EUNOMIA_TEXT(FLAGS))

/* Where `attach` attaches a tc program: POINT is BPF_TC_INGRESS or BPF_TC_EGRESS. */
#define EUNOMIA_TC(IFINDEX, POINT)                                                                 \
    EUNOMIA("tchook.ifindex", __EUNOMIA_TEXT(IFINDEX)) EUNOMIA("tchook.attach_point", #POINT)

/* The section that gives the program its type, if its own section gives none. */
#define EUNOMIA_TYPE(SECTION) EUNOMIA("type", SECTION)

/* ---- Texts ------------------------------------------------------------------------------------ */

/* At a variable, a map or a program. */
#define EUNOMIA_DESCRIPTION(TEXT) EUNOMIA("description", TEXT)

/* At the licence: `char LICENSE[] SEC("license") EUNOMIA_BRIEF("..") = "GPL";` */
#define EUNOMIA_BRIEF(TEXT) EUNOMIA("brief", TEXT)
#define EUNOMIA_DETAILS(TEXT) EUNOMIA("details", TEXT)
#define EUNOMIA_VERSION(TEXT) EUNOMIA("version", TEXT)

/* ---- Members ---------------------------------------------------------------------------------- */

/*
 * How text output shows the member of a record, a key or a value:
 *   hex    a hexadecimal number
 *   ip     an IPv4 or IPv6 address in network byte order, of 4 or 16 bytes
 *   errno  the name of an error number, which may be negative
 *   ksym   the kernel function at an address
 *   ns     a duration in nanoseconds
 * `__u32 saddr EUNOMIA_FORMAT(ip);`
 */
#define EUNOMIA_FORMAT(NAME) EUNOMIA("format", #NAME)

/* ---- Parts of the macros above ---------------------------------------------------------------- */

#define __EUNOMIA_CONCAT(A, B) __EUNOMIA_CONCAT_EXPANDED(A, B)
#define __EUNOMIA_CONCAT_EXPANDED(A, B) A##B
#define __EUNOMIA_TEXT(VALUE) __EUNOMIA_TEXT_EXPANDED(VALUE)
#define __EUNOMIA_TEXT_EXPANDED(VALUE) #VALUE

/*
 * Zeroes memory that is aligned to 8 bytes. clang writes stores for __builtin_memset up to 1024
 * bytes, and beyond it a call, which BPF does not have.
 */
#define __eunomia_zero(POINTER, BYTES)                                                             \
    do {                                                                                           \
        char *__at = (void *)(POINTER);                                                            \
        if ((BYTES) <= 1024) {                                                                     \
            __builtin_memset(__at, 0, (BYTES) <= 1024 ? (BYTES) : 0);                              \
        } else {                                                                                   \
            for (unsigned int __i = 0; __i < (BYTES) / 8; __i++)                                   \
                ((volatile unsigned long long *)__at)[__i] = 0;                                    \
            __builtin_memset(__at + (BYTES) / 8 * 8, 0, (BYTES) % 8);                              \
        }                                                                                          \
    } while (0)

#endif
