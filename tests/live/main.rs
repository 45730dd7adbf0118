//! The live tests, which run on the kernel of this machine. Tracepoints and CPU samples of some
//! fixtures (`bootstrap`, `choices`) see the whole system. Other programs are attached to targets
//! that belong to the test, filter by process, or are run with `BPF_PROG_TEST_RUN`.
//!
//! If the kernel refuses BPF, all tests are reported as ignored, after the reason is printed. If it
//! lacks what one test needs (`needs.rs`), that test is ignored with the reason.
//!
//! `VM_KERNELS="6.1 7.2"` runs the same tests on these kernels instead, each in a virtual machine
//! (`tests/vm`).

mod allowed;
mod apps;
mod args;
mod attacked;
mod bootstrap;
mod btf_cache;
mod callbacks;
mod child;
mod choices;
mod columns;
mod command;
mod commands;
mod control;
mod definitions;
mod doctor;
mod errors;
mod faults;
mod functions;
mod given;
mod header;
mod hooks;
mod host;
mod killed;
mod links;
mod lockdown;
mod machines;
mod maps;
mod missing;
mod namespaces;
mod needs;
mod netfilter;
mod order;
mod perf;
mod pins;
mod predictions;
mod privileges;
mod programs;
mod readers;
mod recording;
mod refusals;
mod relocations;
mod sampled;
mod samples;
mod secure;
mod set;
mod settings;
mod shared;
mod shown;
mod soak;
mod sockets;
mod streams;
mod summary;
mod tables;
mod tagged;
mod targets;
mod test_runs;
mod tokio;
mod uncounted;
mod variables;

use std::process::ExitCode;

use eunomia_runtime::{
    Error,
    bpf::{Open, Spec},
};
use eunomia_vm::Kernel;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use needs::Machine;

/// The result of a test: any error fails it.
type Outcome = Result<(), Failed>;

/// A test: its name and its function.
type Test = (&'static str, fn() -> Outcome);

const TESTS: &[Test] = &[
    ("args::typed_arguments_reach_program", args::typed_arguments_reach_program),
    ("args::dynamic_arguments_reach_program", args::dynamic_arguments_reach_program),
    ("args::matches_of_other_skeleton_are_refused", args::matches_of_other_skeleton_are_refused),
    ("apps::tracer_prints_started_programs", apps::tracer_prints_started_programs),
    ("apps::histogram_shows_calls_of_process", apps::histogram_shows_calls_of_process),
    ("apps::xdp_attaches_to_interface", apps::xdp_attaches_to_interface),
    ("apps::profiler_prints_stacks_of_process", apps::profiler_prints_stacks_of_process),
    ("bootstrap::child_sends_typed_start_and_exit", bootstrap::child_sends_typed_start_and_exit),
    (
        "bootstrap::child_sends_dynamic_start_and_exit",
        bootstrap::child_sends_dynamic_start_and_exit,
    ),
    ("bootstrap::detach_ends_events", bootstrap::detach_ends_events),
    ("bootstrap::attached_skeleton_moves_to_thread", bootstrap::attached_skeleton_moves_to_thread),
    ("bootstrap::demo_shows_its_processes", bootstrap::demo_shows_its_processes),
    (
        "bootstrap::interrupted_example_prints_all_events",
        bootstrap::interrupted_example_prints_all_events,
    ),
    (
        "bootstrap::example_prints_all_events_after_duration",
        bootstrap::example_prints_all_events_after_duration,
    ),
    ("bootstrap::finish_delivers_remaining_events", bootstrap::finish_delivers_remaining_events),
    ("command::run_prints_json_until_count", command::run_prints_json_until_count),
    ("command::run_prints_table_for_duration", command::run_prints_table_for_duration),
    ("command::signals_pause_and_end_run", command::signals_pause_and_end_run),
    ("command::run_ends_when_output_fails", command::run_ends_when_output_fails),
    ("command::recording_is_replayed", command::recording_is_replayed),
    ("command::kernel_refusal_sets_exit_code", command::kernel_refusal_sets_exit_code),
    ("choices::options_select_programs", choices::options_select_programs),
    (
        "choices::attach_failure_leaves_other_programs_running",
        choices::attach_failure_leaves_other_programs_running,
    ),
    ("command::run_prints_text_of_iterators", command::run_prints_text_of_iterators),
    ("choices::doctor_predicts_exit_of_run", choices::doctor_predicts_exit_of_run),
    ("command::run_ends_while_output_is_blocked", command::run_ends_while_output_is_blocked),
    (
        "btf_cache::cached_btf_relocates_like_whole_btf",
        btf_cache::cached_btf_relocates_like_whole_btf,
    ),
    (
        "btf_cache::folder_writable_by_others_is_refused",
        btf_cache::folder_writable_by_others_is_refused,
    ),
    ("btf_cache::planted_files_are_replaced", btf_cache::planted_files_are_replaced),
    (
        "attacked::frames_of_ended_processes_are_named",
        attacked::frames_of_ended_processes_are_named,
    ),
    (
        "attacked::truncated_file_does_not_crash_lookup",
        attacked::truncated_file_does_not_crash_lookup,
    ),
    ("attacked::huge_file_is_read_within_bounds", attacked::huge_file_is_read_within_bounds),
    ("attacked::many_mappings_do_not_delay_lookup", attacked::many_mappings_do_not_delay_lookup),
    ("attacked::only_own_regular_perf_map_is_read", attacked::only_own_regular_perf_map_is_read),
    ("shown::stacks_and_histograms_are_printed", shown::stacks_and_histograms_are_printed),
    ("shown::kernel_pointers_are_named", shown::kernel_pointers_are_named),
    ("refusals::kernel_refuses_what_build_refuses", refusals::kernel_refuses_what_build_refuses),
    ("secure::secure_process_ignores_environment", secure::secure_process_ignores_environment),
    ("settings::missing_setting_is_explained", settings::missing_setting_is_explained),
    (
        "settings::unsuitable_setting_type_is_explained",
        settings::unsuitable_setting_type_is_explained,
    ),
    ("summary::summary_counts_unread_events", summary::summary_counts_unread_events),
    ("pins::pinned_map_is_found_again", pins::pinned_map_is_found_again),
    ("pins::map_of_other_object_is_reused", pins::map_of_other_object_is_reused),
    ("pins::struct_ops_maps_are_not_reused", pins::struct_ops_maps_are_not_reused),
    ("pins::program_is_pinned", pins::program_is_pinned),
    ("pins::processes_share_pinned_map", pins::processes_share_pinned_map),
    ("pins::pins_of_other_users_are_refused", pins::pins_of_other_users_are_refused),
    (
        "given::program_reads_perf_events_from_user_space",
        given::program_reads_perf_events_from_user_space,
    ),
    ("header::definitions_give_records_their_types", header::definitions_give_records_their_types),
    (
        "header::values_read_at_run_time_have_the_same_formats",
        header::values_read_at_run_time_have_the_same_formats,
    ),
    ("header::reserve_counts_lost_records", header::reserve_counts_lost_records),
    ("header::zeroed_record_has_no_old_bytes", header::zeroed_record_has_no_old_bytes),
    ("given::object_works_without_one_map", given::object_works_without_one_map),
    (
        "definitions::perf_event_array_replaces_ring_buffer",
        definitions::perf_event_array_replaces_ring_buffer,
    ),
    ("definitions::map_types_and_sizes_are_set", definitions::map_types_and_sizes_are_set),
    ("definitions::data_sections_grow", definitions::data_sections_grow),
    ("definitions::inner_map_is_set", definitions::inner_map_is_set),
    ("pins::pinned_map_opens_without_object", pins::pinned_map_opens_without_object),
    ("given::prefixes_convert_to_trie_keys", given::prefixes_convert_to_trie_keys),
    ("given::program_type_is_set", given::program_type_is_set),
    (
        "variables::large_variables_do_not_overflow_stack",
        variables::large_variables_do_not_overflow_stack,
    ),
    (
        "test_runs::test_run_returns_packet_and_context",
        test_runs::test_run_returns_packet_and_context,
    ),
    ("test_runs::live_frames_run", test_runs::live_frames_run),
    ("shared::data_section_maps_are_not_shared", shared::data_section_maps_are_not_shared),
    ("shared::arena_with_variables_is_not_shared", shared::arena_with_variables_is_not_shared),
    ("shared::sampled_map_keeps_declared_sizes", shared::sampled_map_keeps_declared_sizes),
    ("shared::replaced_map_keeps_its_name", shared::replaced_map_keeps_its_name),
    (
        "shared::pinned_arena_with_variables_is_refused",
        shared::pinned_arena_with_variables_is_refused,
    ),
    (
        "shared::arena_is_not_mapped_over_other_memory",
        shared::arena_is_not_mapped_over_other_memory,
    ),
    (
        "shared::maps_with_declared_contents_keep_their_type",
        shared::maps_with_declared_contents_keep_their_type,
    ),
    ("shared::arena_replaces_no_other_map", shared::arena_replaces_no_other_map),
    (
        "shared::map_is_identified_in_a_thread_with_descriptors_of_its_own",
        shared::map_is_identified_in_a_thread_with_descriptors_of_its_own,
    ),
    ("shared::usdt_maps_of_other_sizes_are_refused", shared::usdt_maps_of_other_sizes_are_refused),
    ("shared::arena_that_would_fault_is_refused", shared::arena_that_would_fault_is_refused),
    (
        "test_runs::struct_ops_programs_are_not_test_run",
        test_runs::struct_ops_programs_are_not_test_run,
    ),
    (
        "variables::typed_variables_are_shared_with_program",
        variables::typed_variables_are_shared_with_program,
    ),
    (
        "variables::kconfig_variables_hold_kernel_values",
        variables::kconfig_variables_hold_kernel_values,
    ),
    ("variables::program_sees_updates", variables::program_sees_updates),
    (
        "variables::dynamic_variables_are_shared_with_program",
        variables::dynamic_variables_are_shared_with_program,
    ),
    ("variables::document_values_are_set", variables::document_values_are_set),
    (
        "variables::arena_variables_are_shared_with_program",
        variables::arena_variables_are_shared_with_program,
    ),
    ("variables::typed_variables_work_without_mmap", variables::typed_variables_work_without_mmap),
    (
        "variables::dynamic_variables_work_without_mmap",
        variables::dynamic_variables_work_without_mmap,
    ),
    (
        "variables::refused_writes_without_mmap_are_errors",
        variables::refused_writes_without_mmap_are_errors,
    ),
    ("streams::all_field_types_are_delivered", streams::all_field_types_are_delivered),
    (
        "streams::variable_length_records_are_delivered",
        streams::variable_length_records_are_delivered,
    ),
    ("streams::all_member_shapes_are_delivered", streams::all_member_shapes_are_delivered),
    ("streams::ring_wraps_lose_nothing", streams::ring_wraps_lose_nothing),
    ("streams::records_are_read_in_place", streams::records_are_read_in_place),
    (
        "streams::discarded_and_short_records_are_counted",
        streams::discarded_and_short_records_are_counted,
    ),
    ("streams::full_ring_recovers", streams::full_ring_recovers),
    ("streams::one_poll_reads_several_maps", streams::one_poll_reads_several_maps),
    (
        "streams::unknown_types_are_delivered_as_bytes",
        streams::unknown_types_are_delivered_as_bytes,
    ),
    ("streams::events_may_be_scalars_and_arrays", streams::events_may_be_scalars_and_arrays),
    ("streams::no_wakeup_is_lost", streams::no_wakeup_is_lost),
    ("tagged::tag_selects_record_type", tagged::tag_selects_record_type),
    ("tagged::tag_selects_perf_sample_type", tagged::tag_selects_perf_sample_type),
    ("tagged::tag_selects_dynamic_type", tagged::tag_selects_dynamic_type),
    ("control::stop_ends_wait", control::stop_ends_wait),
    ("control::stop_ends_poll_of_busy_ring", control::stop_ends_poll_of_busy_ring),
    ("control::stop_delivers_pending_records", control::stop_delivers_pending_records),
    ("control::stop_ends_loop_over_maps", control::stop_ends_loop_over_maps),
    ("control::stop_does_not_wait_for_unread_map", control::stop_does_not_wait_for_unread_map),
    ("control::break_after_stop_ends_one_poll", control::break_after_stop_ends_one_poll),
    ("control::stop_now_leaves_pending_records", control::stop_now_leaves_pending_records),
    ("control::callback_break_ends_poll", control::callback_break_ends_poll),
    ("control::callback_cannot_poll_its_reader", control::callback_cannot_poll_its_reader),
    ("control::damaged_ring_does_not_block_others", control::damaged_ring_does_not_block_others),
    ("control::panic_consumes_one_record", control::panic_consumes_one_record),
    ("control::signals_do_not_end_wait", control::signals_do_not_end_wait),
    ("control::descriptor_works_in_event_loop", control::descriptor_works_in_event_loop),
    ("readers::runs_hold_all_records", readers::runs_hold_all_records),
    (
        "readers::batch_consumes_only_iterated_records",
        readers::batch_consumes_only_iterated_records,
    ),
    ("readers::maps_are_read_separately", readers::maps_are_read_separately),
    ("readers::map_has_one_reader", readers::map_has_one_reader),
    ("readers::forked_child_cannot_read_perf_rings", readers::forked_child_cannot_read_perf_rings),
    ("readers::callback_errors_lose_nothing", readers::callback_errors_lose_nothing),
    ("readers::pause_keeps_records", readers::pause_keeps_records),
    (
        "readers::drop_counters_of_programs_are_reported",
        readers::drop_counters_of_programs_are_reported,
    ),
    (
        "readers::perf_sample_below_watermark_is_delivered",
        readers::perf_sample_below_watermark_is_delivered,
    ),
    (
        "readers::perf_ring_pages_must_be_power_of_two",
        readers::perf_ring_pages_must_be_power_of_two,
    ),
    ("callbacks::break_keeps_remaining_records", callbacks::break_keeps_remaining_records),
    ("callbacks::panic_keeps_remaining_records", callbacks::panic_keeps_remaining_records),
    (
        "callbacks::pause_in_callback_keeps_remaining_records",
        callbacks::pause_in_callback_keeps_remaining_records,
    ),
    ("callbacks::error_does_not_stop_delivery", callbacks::error_does_not_stop_delivery),
    ("faults::signal_storm_loses_nothing", faults::signal_storm_loses_nothing),
    (
        "faults::uncommitted_record_blocks_only_its_ring",
        faults::uncommitted_record_blocks_only_its_ring,
    ),
    (
        "faults::closed_descriptors_cause_errors_not_hangs",
        faults::closed_descriptors_cause_errors_not_hangs,
    ),
    (
        "faults::entries_are_taken_once_under_concurrent_changes",
        faults::entries_are_taken_once_under_concurrent_changes,
    ),
    ("sampled::entries_are_delivered_at_intervals", sampled::entries_are_delivered_at_intervals),
    ("sampled::drain_and_stop_ignore_interval", sampled::drain_and_stop_ignore_interval),
    ("sampled::break_keeps_remaining_entries", sampled::break_keeps_remaining_entries),
    ("sampled::interval_wakes_event_loop", sampled::interval_wakes_event_loop),
    ("sampled::dynamic_entries_have_keys", sampled::dynamic_entries_have_keys),
    ("tokio::cancelled_batches_lose_nothing", tokio::cancelled_batches_lose_nothing),
    ("tokio::stop_ends_stream", tokio::stop_ends_stream),
    (
        "tokio::perf_samples_below_watermark_are_delivered",
        tokio::perf_samples_below_watermark_are_delivered,
    ),
    ("tokio::endless_events_let_other_tasks_run", tokio::endless_events_let_other_tasks_run),
    ("columns::runs_extend_columns", columns::runs_extend_columns),
    ("columns::events_are_pushed_to_columns", columns::events_are_pushed_to_columns),
    ("columns::all_field_shapes_become_columns", columns::all_field_shapes_become_columns),
    ("recording::recording_holds_delivered_events", recording::recording_holds_delivered_events),
    (
        "recording::dynamic_recording_is_replayed_typed",
        recording::dynamic_recording_is_replayed_typed,
    ),
    (
        "perf::losses_of_cpus_without_a_ring_are_unknown",
        perf::losses_of_cpus_without_a_ring_are_unknown,
    ),
    ("perf::samples_are_aligned_and_complete", perf::samples_are_aligned_and_complete),
    ("perf::lost_samples_are_counted", perf::lost_samples_are_counted),
    ("perf::losses_at_end_of_burst_are_counted", perf::losses_at_end_of_burst_are_counted),
    ("uncounted::losses_are_known_from_next_sample", uncounted::losses_are_known_from_next_sample),
    ("perf::short_samples_are_counted", perf::short_samples_are_counted),
    ("perf::damaged_ring_is_reopened", perf::damaged_ring_is_reopened),
    ("perf::offline_cpu_does_not_spin_reader", perf::offline_cpu_does_not_spin_reader),
    ("perf::losses_of_offline_cpu_are_kept", perf::losses_of_offline_cpu_are_kept),
    ("perf::ring_of_returning_cpu_is_read", perf::ring_of_returning_cpu_is_read),
    ("maps::hash_map_stores_entries", maps::hash_map_stores_entries),
    ("maps::array_map_stores_values", maps::array_map_stores_values),
    ("maps::array_is_accessed_in_place", maps::array_is_accessed_in_place),
    ("maps::entries_are_read_in_batches", maps::entries_are_read_in_batches),
    ("maps::per_cpu_maps_hold_value_per_cpu", maps::per_cpu_maps_hold_value_per_cpu),
    ("maps::queue_and_stack_pop_in_order", maps::queue_and_stack_pop_in_order),
    ("maps::bloom_filter_reports_members", maps::bloom_filter_reports_members),
    ("maps::trie_finds_longest_prefix", maps::trie_finds_longest_prefix),
    ("maps::program_array_entry_enables_tail_call", maps::program_array_entry_enables_tail_call),
    ("maps::task_storage_is_keyed_by_pidfd", maps::task_storage_is_keyed_by_pidfd),
    ("maps::cgroup_storage_is_keyed_by_descriptor", maps::cgroup_storage_is_keyed_by_descriptor),
    ("maps::maps_in_maps_are_typed", maps::maps_in_maps_are_typed),
    ("maps::wrong_types_are_refused", maps::wrong_types_are_refused),
    ("commands::all_records_reach_program", commands::all_records_reach_program),
    ("commands::full_ring_refuses_records", commands::full_ring_refuses_records),
    ("commands::sender_waits_for_room", commands::sender_waits_for_room),
    (
        "commands::dropped_reservation_is_not_delivered",
        commands::dropped_reservation_is_not_delivered,
    ),
    ("commands::records_of_any_length_fit", commands::records_of_any_length_fit),
    ("commands::ring_has_one_producer", commands::ring_has_one_producer),
    ("samples::sample_holds_all_entries", samples::sample_holds_all_entries),
    ("samples::crowded_bucket_is_sampled", samples::crowded_bucket_is_sampled),
    (
        "samples::sample_is_complete_under_concurrent_changes",
        samples::sample_is_complete_under_concurrent_changes,
    ),
    ("samples::restarted_walk_is_complete", samples::restarted_walk_is_complete),
    ("samples::take_loses_no_counts", samples::take_loses_no_counts),
    ("samples::deltas_lose_no_counts", samples::deltas_lose_no_counts),
    ("samples::per_cpu_values_are_sampled", samples::per_cpu_values_are_sampled),
    ("samples::take_zeroes_arrays", samples::take_zeroes_arrays),
    ("samples::other_map_types_are_sampled", samples::other_map_types_are_sampled),
    ("samples::sampler_outlives_object", samples::sampler_outlives_object),
    ("set::set_delivers_events_of_each_object", set::set_delivers_events_of_each_object),
    ("set::control_handle_governs_set", set::control_handle_governs_set),
    ("set::failing_object_does_not_block_others", set::failing_object_does_not_block_others),
    ("set::set_works_in_tokio", set::set_works_in_tokio),
    (
        "soak::losses_are_counted_and_memory_is_bounded",
        soak::losses_are_counted_and_memory_is_bounded,
    ),
    ("functions::kprobe_counts_calls", functions::kprobe_counts_calls),
    ("functions::kprobe_multi_counts_calls", functions::kprobe_multi_counts_calls),
    ("functions::ksyscall_counts_calls", functions::ksyscall_counts_calls),
    ("functions::freplace_replaces_function", functions::freplace_replaces_function),
    ("sockets::socket_filter_attaches_and_detaches", sockets::socket_filter_attaches_and_detaches),
    ("sockets::sk_reuseport_attaches_and_detaches", sockets::sk_reuseport_attaches_and_detaches),
    ("sockets::sockmap_programs_see_sockets", sockets::sockmap_programs_see_sockets),
    ("hooks::cgroup_program_sees_processes", hooks::cgroup_program_sees_processes),
    ("sockets::sk_lookup_attaches_to_namespace", sockets::sk_lookup_attaches_to_namespace),
    ("netfilter::netfilter_program_sees_packets", netfilter::netfilter_program_sees_packets),
    ("netfilter::taken_priority_is_explained", netfilter::taken_priority_is_explained),
    ("hooks::tc_filters_attach_and_detach", hooks::tc_filters_attach_and_detach),
    ("hooks::tc_program_sees_packets", hooks::tc_program_sees_packets),
    ("hooks::tracepoints_attach_by_name", hooks::tracepoints_attach_by_name),
    ("hooks::uprobe_multi_counts_calls", hooks::uprobe_multi_counts_calls),
    ("hooks::map_iterator_lists_entries", hooks::map_iterator_lists_entries),
    ("hooks::syscall_program_is_run_not_attached", hooks::syscall_program_is_run_not_attached),
    ("tables::struct_ops_map_attaches", tables::struct_ops_map_attaches),
    ("tables::struct_ops_members_are_set", tables::struct_ops_members_are_set),
    ("tables::autocreated_struct_ops_map_loads", tables::autocreated_struct_ops_map_loads),
    ("targets::set_target_is_attached", targets::set_target_is_attached),
    ("order::tcx_programs_run_in_order", order::tcx_programs_run_in_order),
    ("order::cgroup_programs_run_in_order", order::cgroup_programs_run_in_order),
    ("order::netkit_programs_run_in_order", order::netkit_programs_run_in_order),
    ("targets::packet_socket_is_opened", targets::packet_socket_is_opened),
    ("targets::unsuitable_targets_are_refused", targets::unsuitable_targets_are_refused),
    ("targets::function_target_is_set", targets::function_target_is_set),
    ("links::pinned_link_is_opened", links::pinned_link_is_opened),
    ("links::pinned_probe_stays_attached", links::pinned_probe_stays_attached),
    ("links::only_links_are_opened", links::only_links_are_opened),
    ("links::replace_works_on_interfaces", links::replace_works_on_interfaces),
    ("links::replace_works_on_other_targets", links::replace_works_on_other_targets),
    ("links::unsupported_replace_is_refused", links::unsupported_replace_is_refused),
    ("links::struct_ops_map_is_replaced", links::struct_ops_map_is_replaced),
    ("links::foreign_xdp_program_stays", links::foreign_xdp_program_stays),
    ("links::foreign_tc_filters_stay", links::foreign_tc_filters_stay),
    ("links::links_detach_in_parallel", links::links_detach_in_parallel),
    ("links::links_detach_without_threads", links::links_detach_without_threads),
    ("links::links_attach_all_or_none", links::links_attach_all_or_none),
    ("links::killed_process_leaves_only_pins", killed::killed_process_leaves_only_pins),
    ("programs::xdp_attaches_to_interface", programs::xdp_attaches_to_interface),
    ("programs::tcx_attaches_to_interface", programs::tcx_attaches_to_interface),
    ("programs::cpu_clock_samples_process", programs::cpu_clock_samples_process),
    ("programs::uprobe_counts_calls", programs::uprobe_counts_calls),
    ("programs::cookie_reaches_program", programs::cookie_reaches_program),
    ("programs::task_iterator_lists_process", programs::task_iterator_lists_process),
    ("programs::target_stays_open_until_loading", programs::target_stays_open_until_loading),
    ("programs::links_each_reports_each_program", programs::links_each_reports_each_program),
    ("doctor::loadable_object_passes", doctor::loadable_object_passes),
    ("relocations::relocations_use_given_btf_file", relocations::relocations_use_given_btf_file),
    ("doctor::map_type_of_no_kernel_is_reported", doctor::map_type_of_no_kernel_is_reported),
    ("doctor::missing_kernel_parts_are_reported", doctor::missing_kernel_parts_are_reported),
    (
        "relocations::relocations_resolve_as_in_libbpf",
        relocations::relocations_resolve_as_in_libbpf,
    ),
    (
        "predictions::doctor_and_errors_give_same_reason",
        predictions::doctor_and_errors_give_same_reason,
    ),
    (
        "predictions::doctor_and_errors_give_same_reason_for_probes",
        predictions::doctor_and_errors_give_same_reason_for_probes,
    ),
    (
        "predictions::section_without_target_is_reported",
        predictions::section_without_target_is_reported,
    ),
    (
        "predictions::trial_load_finds_kernel_refusals",
        predictions::trial_load_finds_kernel_refusals,
    ),
    ("predictions::doctor_predicts_load_and_attach", predictions::doctor_predicts_load_and_attach),
    (
        "predictions::doctor_predicts_load_and_attach_of_sources",
        predictions::doctor_predicts_load_and_attach_of_sources,
    ),
    (
        "privileges::user_without_capabilities_is_told_what_is_missing",
        privileges::user_without_capabilities_is_told_what_is_missing,
    ),
    (
        "privileges::user_with_some_capabilities_is_told_what_is_missing",
        privileges::user_with_some_capabilities_is_told_what_is_missing,
    ),
    ("privileges::dac_read_search_opens_tracefs", privileges::dac_read_search_opens_tracefs),
    (
        "privileges::root_without_sys_admin_is_told_what_is_missing",
        privileges::root_without_sys_admin_is_told_what_is_missing,
    ),
    ("privileges::advised_settings_permit_users", privileges::advised_settings_permit_users),
    (
        "namespaces::user_namespace_refusals_are_explained",
        namespaces::user_namespace_refusals_are_explained,
    ),
    ("namespaces::token_delegates_bpf", namespaces::token_delegates_bpf),
    ("namespaces::wrong_token_path_is_explained", namespaces::wrong_token_path_is_explained),
    ("missing::missing_tc_modules_are_named", missing::missing_tc_modules_are_named),
    ("missing::missing_kernel_btf_is_explained", missing::missing_kernel_btf_is_explained),
    ("missing::missing_file_systems_are_explained", missing::missing_file_systems_are_explained),
    ("missing::memlock_limit_is_explained", missing::memlock_limit_is_explained),
    ("errors::error_holds_verifier_log", errors::error_holds_verifier_log),
    ("errors::invalid_names_are_escaped", errors::invalid_names_are_escaped),
    ("errors::print_callback_of_others_is_called", errors::print_callback_of_others_is_called),
    ("errors::unknown_tracepoint_is_explained", errors::unknown_tracepoint_is_explained),
    (
        "errors::missing_tracepoint_arguments_are_explained",
        errors::missing_tracepoint_arguments_are_explained,
    ),
    ("errors::unknown_names_are_explained", errors::unknown_names_are_explained),
    ("errors::invalid_memory_access_is_refused", errors::invalid_memory_access_is_refused),
    (
        "errors::arena_smaller_than_variables_is_refused",
        errors::arena_smaller_than_variables_is_refused,
    ),
    ("errors::unloaded_program_has_no_descriptor", errors::unloaded_program_has_no_descriptor),
    ("errors::descriptor_limit_is_explained", errors::descriptor_limit_is_explained),
    ("errors::missing_driver_xdp_is_explained", errors::missing_driver_xdp_is_explained),
    ("errors::unresolved_relocations_are_explained", errors::unresolved_relocations_are_explained),
    ("errors::misspelled_usdt_is_explained", errors::misspelled_usdt_is_explained),
    // The last test, because lockdown cannot be undone.
    ("lockdown::lockdown_is_explained", lockdown::lockdown_is_explained),
];

/// Opens an object of a test, without the checks.
fn opened(spec: &Spec<'_>) -> Result<Open, Error> {
    // SAFETY: the object is one of this repository, or libbpf refuses it before it reads more than
    // its header and names.
    unsafe { Open::new(spec, None) }
}

/// Returns the errno of the kernel's refusal.
fn errno(error: &Error) -> Option<i32> {
    match error {
        Error::Kernel(refusal) => refusal.source.raw_os_error(),
        _ => None,
    }
}

/// Scales down a number of rounds in a virtual machine, where each takes much longer.
fn rounds(all: u64) -> u64 {
    if eunomia_vm::kernel().is_some() { all.div_ceil(5) } else { all }
}

/// The parts that this program runs in another process, for the tests that need one.
const PARTS: &[child::Part] = &[
    ("attacked-wait", attacked::waits),
    ("attacked-short", attacked::short),
    ("attacked-truncates", attacked::truncates),
    ("attacked-huge", attacked::is_huge),
    ("attacked-many", attacked::has_many),
    ("attacked-compiles", attacked::compiles),
    ("forks", readers::forks),
    ("user", privileges::as_user),
    ("root-without", privileges::as_root_without),
    ("namespace", namespaces::in_user_namespace),
    ("tokenless", namespaces::tokenless),
    ("locked", lockdown::locked),
    ("typeless", missing::typeless),
    ("unmounted", missing::unmounted),
    ("unmounted-command", missing::unmounted_command),
    ("debugfs", missing::below_debugfs),
    ("descriptors", errors::few_descriptors),
    ("memlock", missing::memlock),
    ("memlock-of-root", missing::memlock_of_root),
    ("pinned", pins::another_process),
    ("pins-of-user", pins::pins_of_user),
    ("killed", killed::attach_everything),
    ("command", command::as_process),
    ("secure", secure::look),
];

fn main() -> ExitCode {
    if let Some(ended) = child::part(PARTS) {
        return ended;
    }
    match Kernel::requested() {
        Ok(kernels) if kernels.is_empty() => here(),
        Ok(kernels) => machines::on(&kernels).map_or_else(not_run, ExitCode::from),
        Err(error) => not_run(error),
    }
}

fn not_run(error: eunomia_vm::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(125)
}

fn here() -> ExitCode {
    let preflight = eunomia_runtime::preflight();
    // In a virtual machine the tests always run: otherwise one failed check of the preflight, which
    // a test may be about, would skip all of them.
    let permitted = preflight.ok() || eunomia_vm::kernel().is_some();
    if !permitted {
        print!("live tests are skipped, this process cannot use BPF:\n{preflight}");
    }
    let mut arguments = Arguments::from_args();
    // Process events, perf rings and signals are shared by all tests.
    arguments.test_threads = Some(1);
    needs::check(TESTS.iter().map(|(name, _)| *name));
    let machine = Machine::this();
    let trials = TESTS.iter().map(|&(name, test)| match machine.lacks(name) {
        Some(why) if permitted => {
            Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why)))
        }
        _ => Trial::test(name, test).with_ignored_flag(!permitted),
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
