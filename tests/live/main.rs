//! Run on the kernel of this machine. Nothing is hooked system-wide but for the two tracepoints of the bootstrap object; everything
//! else is run with `BPF_PROG_TEST_RUN`.
//!
//! Where the kernel refuses BPF every test is reported as ignored, by name, after what is missing; where it lacks what a test needs
//! (`needs.rs`), that test, with the reason.
//!
//! `VM_KERNELS="6.1 7.2"` runs the same tests on these kernels instead, each in a virtual machine (`tests/vm`).

mod args;
mod attacked;
mod bootstrap;
mod btf_cache;
mod callbacks;
mod child;
mod columns;
mod command;
mod commands;
mod control;
mod doctor;
mod errors;
mod faults;
mod functions;
mod given;
mod hooks;
mod host;
mod killed;
mod links;
mod machines;
mod maps;
mod missing;
mod needs;
mod netfilter;
mod order;
mod perf;
mod pins;
mod privileges;
mod programs;
mod readers;
mod recording;
mod refusals;
mod sampled;
mod samples;
mod secure;
mod set;
mod settings;
mod shared;
mod shown;
mod soak;
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

use eunomia_runtime::Error;
use eunomia_vm::Kernel;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use needs::Machine;

/// The result of a test: any error fails it.
type Outcome = Result<(), Failed>;

/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

const TESTS: &[Test] = &[
    ("args::typed_arguments_reach_the_program", args::typed_arguments_reach_the_program),
    ("args::dynamic_arguments_reach_the_program", args::dynamic_arguments_reach_the_program),
    ("args::arguments_of_another_skeleton_are_refused", args::arguments_of_another_skeleton_are_refused),
    ("bootstrap::typed_events_of_a_child", bootstrap::typed_events_of_a_child),
    ("bootstrap::dynamic_events_of_a_child", bootstrap::dynamic_events_of_a_child),
    ("bootstrap::detaching_ends_events", bootstrap::detaching_ends_events),
    ("bootstrap::moves_to_another_thread", bootstrap::moves_to_another_thread),
    ("bootstrap::the_demo_shows_its_own_processes", bootstrap::the_demo_shows_its_own_processes),
    ("bootstrap::an_example_that_is_stopped_prints_all_events", bootstrap::an_example_that_is_stopped_prints_all_events),
    ("bootstrap::an_example_whose_time_is_over_prints_all_events", bootstrap::an_example_whose_time_is_over_prints_all_events),
    ("bootstrap::a_finish_delivers_the_rest", bootstrap::a_finish_delivers_the_rest),
    ("command::events_as_json_until_there_are_enough", command::events_as_json_until_there_are_enough),
    ("command::a_table_for_a_time", command::a_table_for_a_time),
    ("command::signals_end_and_pause", command::signals_end_and_pause),
    ("command::whoever_reads_goes_away", command::whoever_reads_goes_away),
    ("command::what_was_recorded_is_replayed", command::what_was_recorded_is_replayed),
    ("command::what_the_kernel_refuses", command::what_the_kernel_refuses),
    ("command::programs_are_left_out_or_taken", command::programs_are_left_out_or_taken),
    ("command::one_that_cannot_be_attached_does_not_stop_the_others", command::one_that_cannot_be_attached_does_not_stop_the_others),
    ("command::the_text_of_iterators", command::the_text_of_iterators),
    ("command::the_doctor_agrees", command::the_doctor_agrees),
    ("command::an_output_that_nobody_reads", command::an_output_that_nobody_reads),
    ("btf_cache::instructions_are_those_of_the_whole", btf_cache::instructions_are_those_of_the_whole),
    ("btf_cache::folders_that_others_can_write_to", btf_cache::folders_that_others_can_write_to),
    ("btf_cache::files_that_others_have_put_there", btf_cache::files_that_others_have_put_there),
    ("attacked::processes_that_have_ended_have_names", attacked::processes_that_have_ended_have_names),
    ("attacked::a_file_that_is_cut_meanwhile", attacked::a_file_that_is_cut_meanwhile),
    ("attacked::a_file_that_is_huge", attacked::a_file_that_is_huge),
    ("attacked::a_process_of_many_mappings", attacked::a_process_of_many_mappings),
    ("attacked::a_fifo_that_is_named_like_a_perf_map", attacked::a_fifo_that_is_named_like_a_perf_map),
    ("shown::stacks_and_histograms", shown::stacks_and_histograms),
    ("shown::pointers_have_names", shown::pointers_have_names),
    ("refusals::no_kernel_loads_what_the_build_refuses", refusals::no_kernel_loads_what_the_build_refuses),
    ("secure::variables_are_ignored", secure::variables_are_ignored),
    ("settings::a_setting_that_is_not_there", settings::a_setting_that_is_not_there),
    ("settings::values_that_do_not_fit", settings::values_that_do_not_fit),
    ("summary::what_stays_in_the_buffers", summary::what_stays_in_the_buffers),
    ("pins::maps_are_pinned_and_found_again", pins::maps_are_pinned_and_found_again),
    ("pins::a_map_of_another_object_is_used", pins::a_map_of_another_object_is_used),
    ("pins::tables_are_nobody_elses_maps", pins::tables_are_nobody_elses_maps),
    ("pins::programs_are_pinned", pins::programs_are_pinned),
    ("pins::two_processes_share_a_map", pins::two_processes_share_a_map),
    ("given::counters_are_the_users", given::counters_are_the_users),
    ("given::without_a_map_all_else_works", given::without_a_map_all_else_works),
    ("given::a_ring_becomes_a_perf_array", given::a_ring_becomes_a_perf_array),
    ("given::types_and_sizes_of_maps_are_set", given::types_and_sizes_of_maps_are_set),
    ("given::sections_grow", given::sections_grow),
    ("given::maps_in_maps_are_given", given::maps_in_maps_are_given),
    ("pins::a_pinned_map_is_opened_without_an_object", pins::a_pinned_map_is_opened_without_an_object),
    ("given::prefixes_are_keys", given::prefixes_are_keys),
    ("given::a_program_gets_its_type", given::a_program_gets_its_type),
    ("variables::large_variables_do_not_fill_a_stack", variables::large_variables_do_not_fill_a_stack),
    ("test_runs::packets_come_back", test_runs::packets_come_back),
    ("test_runs::frames_are_live", test_runs::frames_are_live),
    ("shared::sections_are_not_shared", shared::sections_are_not_shared),
    ("shared::arenas_with_variables_are_not_shared", shared::arenas_with_variables_are_not_shared),
    ("shared::maps_that_are_read_keep_their_sizes", shared::maps_that_are_read_keep_their_sizes),
    ("shared::a_map_keeps_its_name_in_the_object", shared::a_map_keeps_its_name_in_the_object),
    ("shared::an_arena_that_declares_to_be_pinned", shared::an_arena_that_declares_to_be_pinned),
    ("shared::an_arena_is_not_mapped_over_other_memory", shared::an_arena_is_not_mapped_over_other_memory),
    ("shared::an_arena_that_faults", shared::an_arena_that_faults),
    ("test_runs::tables_are_not_run", test_runs::tables_are_not_run),
    ("variables::typed_values_reach_the_program_and_come_back", variables::typed_values_reach_the_program_and_come_back),
    ("variables::values_of_the_kernels_configuration", variables::values_of_the_kernels_configuration),
    ("variables::updates_are_seen_by_programs", variables::updates_are_seen_by_programs),
    ("variables::dynamic_values_reach_the_program_and_come_back", variables::dynamic_values_reach_the_program_and_come_back),
    ("variables::values_of_the_document_are_set", variables::values_of_the_document_are_set),
    ("variables::variables_in_an_arena", variables::variables_in_an_arena),
    ("variables::typed_values_without_a_mapping", variables::typed_values_without_a_mapping),
    ("variables::dynamic_values_without_a_mapping", variables::dynamic_values_without_a_mapping),
    ("variables::what_the_kernel_refuses_without_a_mapping", variables::what_the_kernel_refuses_without_a_mapping),
    ("streams::every_field_arrives", streams::every_field_arrives),
    ("streams::records_end_where_their_last_array_is_filled", streams::records_end_where_their_last_array_is_filled),
    ("streams::members_of_every_shape_arrive", streams::members_of_every_shape_arrive),
    ("streams::nothing_is_lost_over_many_wraps", streams::nothing_is_lost_over_many_wraps),
    ("streams::records_are_not_copied", streams::records_are_not_copied),
    ("streams::discarded_short_and_long_records", streams::discarded_short_and_long_records),
    ("streams::a_full_ring_refuses_and_goes_on", streams::a_full_ring_refuses_and_goes_on),
    ("streams::several_maps_in_one_wait", streams::several_maps_in_one_wait),
    ("streams::unknown_types_are_delivered_as_bytes", streams::unknown_types_are_delivered_as_bytes),
    ("streams::events_that_are_no_structs", streams::events_that_are_no_structs),
    ("streams::no_wakeup_is_lost", streams::no_wakeup_is_lost),
    ("tagged::records_arrive_as_the_types_they_name", tagged::records_arrive_as_the_types_they_name),
    ("tagged::perf_samples_arrive_as_the_types_they_name", tagged::perf_samples_arrive_as_the_types_they_name),
    ("tagged::dynamic_values_have_the_types_they_name", tagged::dynamic_values_have_the_types_they_name),
    ("control::stop_ends_a_wait", control::stop_ends_a_wait),
    ("control::stop_ends_a_ring_that_never_runs_dry", control::stop_ends_a_ring_that_never_runs_dry),
    ("control::a_stop_delivers_what_is_there", control::a_stop_delivers_what_is_there),
    ("control::a_stop_ends_a_loop_over_maps", control::a_stop_ends_a_loop_over_maps),
    ("control::a_stop_does_not_wait_for_a_map_that_nobody_reads", control::a_stop_does_not_wait_for_a_map_that_nobody_reads),
    ("control::a_break_after_a_stop_ends_one_poll", control::a_break_after_a_stop_ends_one_poll),
    ("control::stop_now_leaves_the_rest", control::stop_now_leaves_the_rest),
    ("control::a_callback_may_end_its_poll", control::a_callback_may_end_its_poll),
    ("control::a_callback_may_ask_but_not_poll", control::a_callback_may_ask_but_not_poll),
    ("control::a_damaged_ring_keeps_nobody_from_being_read", control::a_damaged_ring_keeps_nobody_from_being_read),
    ("control::a_panic_consumes_one_record", control::a_panic_consumes_one_record),
    ("control::signals_do_not_end_a_wait", control::signals_do_not_end_a_wait),
    ("control::an_event_loop_of_ones_own", control::an_event_loop_of_ones_own),
    ("readers::runs_hold_every_record", readers::runs_hold_every_record),
    ("readers::batches_give_back_what_was_taken", readers::batches_give_back_what_was_taken),
    ("readers::maps_one_by_one", readers::maps_one_by_one),
    ("readers::a_map_has_one_reader", readers::a_map_has_one_reader),
    ("readers::a_child_has_no_part_in_perf_rings", readers::a_child_has_no_part_in_perf_rings),
    ("readers::errors_of_callbacks_lose_nothing", readers::errors_of_callbacks_lose_nothing),
    ("readers::a_pause_keeps_records", readers::a_pause_keeps_records),
    ("readers::what_programs_count_is_lost", readers::what_programs_count_is_lost),
    ("readers::perf_samples_do_not_wait_for_others", readers::perf_samples_do_not_wait_for_others),
    ("readers::rings_have_a_power_of_two_of_pages", readers::rings_have_a_power_of_two_of_pages),
    ("callbacks::a_break_keeps_the_rest", callbacks::a_break_keeps_the_rest),
    ("callbacks::a_panic_keeps_the_rest", callbacks::a_panic_keeps_the_rest),
    ("callbacks::a_pause_in_the_middle_keeps_the_rest", callbacks::a_pause_in_the_middle_keeps_the_rest),
    ("callbacks::an_error_keeps_nothing_back", callbacks::an_error_keeps_nothing_back),
    ("faults::a_storm_of_signals", faults::a_storm_of_signals),
    ("faults::a_record_that_is_held_for_seconds", faults::a_record_that_is_held_for_seconds),
    ("faults::descriptors_that_are_closed_by_force", faults::descriptors_that_are_closed_by_force),
    ("faults::entries_are_taken_while_they_come_and_go", faults::entries_are_taken_while_they_come_and_go),
    ("sampled::entries_arrive_at_intervals", sampled::entries_arrive_at_intervals),
    ("sampled::the_rest_needs_no_interval", sampled::the_rest_needs_no_interval),
    ("sampled::a_sample_goes_on_after_a_break", sampled::a_sample_goes_on_after_a_break),
    ("sampled::an_event_loop_is_woken_for_a_sample", sampled::an_event_loop_is_woken_for_a_sample),
    ("sampled::dynamic_entries_have_keys", sampled::dynamic_entries_have_keys),
    ("tokio::batches_survive_cancellation", tokio::batches_survive_cancellation),
    ("tokio::a_stream_ends_when_it_is_stopped", tokio::a_stream_ends_when_it_is_stopped),
    ("tokio::few_perf_samples_are_not_late", tokio::few_perf_samples_are_not_late),
    ("columns::runs_become_columns", columns::runs_become_columns),
    ("columns::events_are_pushed_one_by_one", columns::events_are_pushed_one_by_one),
    ("columns::fields_of_every_shape_become_columns", columns::fields_of_every_shape_become_columns),
    ("recording::a_recording_holds_what_was_delivered", recording::a_recording_holds_what_was_delivered),
    ("recording::a_dynamic_recording_is_read_by_types", recording::a_dynamic_recording_is_read_by_types),
    ("perf::samples_are_aligned_and_complete", perf::samples_are_aligned_and_complete),
    ("perf::lost_samples_are_counted", perf::lost_samples_are_counted),
    ("perf::losses_at_the_end_of_a_burst_are_counted", perf::losses_at_the_end_of_a_burst_are_counted),
    ("uncounted::losses_that_only_samples_tell", uncounted::losses_that_only_samples_tell),
    ("perf::short_and_long_samples", perf::short_and_long_samples),
    ("perf::a_damaged_ring_is_opened_anew", perf::a_damaged_ring_is_opened_anew),
    ("perf::a_cpu_goes_while_it_is_polled", perf::a_cpu_goes_while_it_is_polled),
    ("perf::losses_of_a_cpu_that_went_are_kept", perf::losses_of_a_cpu_that_went_are_kept),
    ("perf::a_cpu_goes_and_comes_back", perf::a_cpu_goes_and_comes_back),
    ("maps::hash", maps::hash),
    ("maps::array", maps::array),
    ("maps::array_in_place", maps::array_in_place),
    ("maps::entries_in_batches", maps::entries_in_batches),
    ("maps::a_value_for_each_cpu", maps::a_value_for_each_cpu),
    ("maps::values_without_keys", maps::values_without_keys),
    ("maps::bloom_filters", maps::bloom_filters),
    ("maps::prefixes", maps::prefixes),
    ("maps::kernel_objects_by_descriptor", maps::kernel_objects_by_descriptor),
    ("maps::storage_of_tasks", maps::storage_of_tasks),
    ("maps::storage_of_cgroups", maps::storage_of_cgroups),
    ("maps::maps_in_maps", maps::maps_in_maps),
    ("maps::wrong_types_are_refused", maps::wrong_types_are_refused),
    ("commands::every_record_arrives", commands::every_record_arrives),
    ("commands::a_full_ring", commands::a_full_ring),
    ("commands::a_sender_waits_for_room", commands::a_sender_waits_for_room),
    ("commands::what_is_not_submitted_was_never_there", commands::what_is_not_submitted_was_never_there),
    ("commands::records_of_any_length", commands::records_of_any_length),
    ("commands::one_producer_at_a_time", commands::one_producer_at_a_time),
    ("samples::every_entry_whatever_the_size", samples::every_entry_whatever_the_size),
    ("samples::more_entries_in_one_bucket_than_room", samples::more_entries_in_one_bucket_than_room),
    ("samples::entries_come_and_go_meanwhile", samples::entries_come_and_go_meanwhile),
    ("samples::a_walk_that_starts_over", samples::a_walk_that_starts_over),
    ("samples::taking_loses_nothing", samples::taking_loses_nothing),
    ("samples::differences_lose_nothing", samples::differences_lose_nothing),
    ("samples::a_value_of_all_cpus", samples::a_value_of_all_cpus),
    ("samples::arrays_are_zeroed", samples::arrays_are_zeroed),
    ("samples::maps_of_other_kinds", samples::maps_of_other_kinds),
    ("samples::a_sampler_outlives_its_object", samples::a_sampler_outlives_its_object),
    ("set::each_object_has_its_own_events", set::each_object_has_its_own_events),
    ("set::one_control_handle_for_all", set::one_control_handle_for_all),
    ("set::one_object_keeps_no_other_from_being_read", set::one_object_keeps_no_other_from_being_read),
    ("set::a_set_in_tokio", set::a_set_in_tokio),
    ("soak::nothing_is_lost_and_nothing_grows", soak::nothing_is_lost_and_nothing_grows),
    ("functions::of_the_kernel", functions::of_the_kernel),
    ("functions::many_of_the_kernel", functions::many_of_the_kernel),
    ("functions::system_calls", functions::system_calls),
    ("functions::of_another_program", functions::of_another_program),
    ("hooks::a_filter_of_a_socket", hooks::a_filter_of_a_socket),
    ("hooks::a_choice_among_sockets_of_a_port", hooks::a_choice_among_sockets_of_a_port),
    ("hooks::the_sockets_of_a_map", hooks::the_sockets_of_a_map),
    ("hooks::the_processes_of_a_cgroup", hooks::the_processes_of_a_cgroup),
    ("hooks::a_network_namespace", hooks::a_network_namespace),
    ("netfilter::a_hook_of_netfilter", netfilter::a_hook_of_netfilter),
    ("netfilter::a_priority_that_is_taken", netfilter::a_priority_that_is_taken),
    ("hooks::filters_of_an_interface", hooks::filters_of_an_interface),
    ("hooks::an_interface", hooks::an_interface),
    ("hooks::tracepoints_by_name", hooks::tracepoints_by_name),
    ("hooks::many_functions_of_this_program", hooks::many_functions_of_this_program),
    ("hooks::a_walk_over_a_map", hooks::a_walk_over_a_map),
    ("hooks::a_program_that_is_only_run", hooks::a_program_that_is_only_run),
    ("tables::a_table_of_the_kernels_functions", tables::a_table_of_the_kernels_functions),
    ("tables::members_of_a_table", tables::members_of_a_table),
    ("tables::a_table_that_is_asked_for", tables::a_table_that_is_asked_for),
    ("targets::targets_that_are_set_while_open", targets::targets_that_are_set_while_open),
    ("order::an_order_among_programs_of_an_interface", order::an_order_among_programs_of_an_interface),
    ("order::an_order_among_programs_of_a_cgroup", order::an_order_among_programs_of_a_cgroup),
    ("order::an_order_among_programs_of_a_netkit_pair", order::an_order_among_programs_of_a_netkit_pair),
    ("targets::a_packet_socket_of_its_own", targets::a_packet_socket_of_its_own),
    ("targets::targets_that_cannot_be", targets::targets_that_cannot_be),
    ("targets::a_function_that_is_named_while_open", targets::a_function_that_is_named_while_open),
    ("links::pinned_links_are_opened_again", links::pinned_links_are_opened_again),
    ("links::a_pinned_probe_goes_on", links::a_pinned_probe_goes_on),
    ("links::what_is_no_link_is_not_opened", links::what_is_no_link_is_not_opened),
    ("links::programs_on_interfaces_are_replaced", links::programs_on_interfaces_are_replaced),
    ("links::programs_elsewhere_are_replaced", links::programs_elsewhere_are_replaced),
    ("links::programs_that_are_not_replaced", links::programs_that_are_not_replaced),
    ("links::tables_are_replaced", links::tables_are_replaced),
    ("links::xdp_programs_of_others_stay", links::xdp_programs_of_others_stay),
    ("links::filters_of_others_stay", links::filters_of_others_stay),
    ("links::many_are_dropped_at_once", links::many_are_dropped_at_once),
    ("links::many_are_dropped_without_threads", links::many_are_dropped_without_threads),
    ("links::all_or_none", links::all_or_none),
    ("links::nothing_is_left_of_a_killed_process", killed::nothing_is_left_of_a_killed_process),
    ("programs::xdp_on_an_interface", programs::xdp_on_an_interface),
    ("programs::tcx_on_an_interface", programs::tcx_on_an_interface),
    ("programs::samples_of_this_process", programs::samples_of_this_process),
    ("programs::calls_in_this_process", programs::calls_in_this_process),
    ("programs::cookies_reach_programs", programs::cookies_reach_programs),
    ("programs::a_walk_over_tasks", programs::a_walk_over_tasks),
    ("programs::each_program_has_its_own_result", programs::each_program_has_its_own_result),
    ("doctor::an_object_that_runs", doctor::an_object_that_runs),
    ("doctor::a_file_of_btf", doctor::a_file_of_btf),
    ("doctor::what_no_kernel_has", doctor::what_no_kernel_has),
    ("doctor::relocations_resolve_as_in_libbpf", doctor::relocations_resolve_as_in_libbpf),
    ("doctor::causes_are_those_of_errors", doctor::causes_are_those_of_errors),
    ("doctor::causes_of_probes_are_those_of_errors", doctor::causes_of_probes_are_those_of_errors),
    ("doctor::sections_that_do_not_say_enough", doctor::sections_that_do_not_say_enough),
    ("doctor::what_only_the_kernel_knows", doctor::what_only_the_kernel_knows),
    ("doctor::doctor_and_run_agree", doctor::doctor_and_run_agree),
    ("doctor::doctor_and_run_agree_on_sources", doctor::doctor_and_run_agree_on_sources),
    ("privileges::a_user_with_nothing", privileges::a_user_with_nothing),
    ("privileges::users_with_some", privileges::users_with_some),
    ("privileges::a_user_who_reads_tracefs", privileges::a_user_who_reads_tracefs),
    ("privileges::root_without_sys_admin", privileges::root_without_sys_admin),
    ("privileges::a_machine_that_is_set_up_for_users", privileges::a_machine_that_is_set_up_for_users),
    ("privileges::a_user_namespace", privileges::a_user_namespace),
    ("privileges::a_token", privileges::a_token),
    ("privileges::a_place_without_token", privileges::a_place_without_token),
    ("missing::modules_of_filters", missing::modules_of_filters),
    ("missing::types_of_the_kernel", missing::types_of_the_kernel),
    ("missing::file_systems", missing::file_systems),
    ("missing::memory_that_may_be_locked", missing::memory_that_may_be_locked),
    ("errors::the_verifiers_log_is_in_the_error", errors::the_verifiers_log_is_in_the_error),
    ("errors::names_that_are_no_text", errors::names_that_are_no_text),
    ("errors::others_hear_libbpf_too", errors::others_hear_libbpf_too),
    ("errors::what_libbpf_cannot_attach", errors::what_libbpf_cannot_attach),
    ("errors::names_that_are_not_there", errors::names_that_are_not_there),
    ("errors::what_would_reach_wrong_memory", errors::what_would_reach_wrong_memory),
    ("errors::an_arena_that_is_too_small", errors::an_arena_that_is_too_small),
    ("errors::a_program_that_was_not_loaded", errors::a_program_that_was_not_loaded),
    ("errors::descriptors_that_run_out", errors::descriptors_that_run_out),
    ("errors::drivers_that_run_no_xdp", errors::drivers_that_run_no_xdp),
    ("errors::members_that_no_kernel_has", errors::members_that_no_kernel_has),
    ("errors::static_probes_that_are_nearly_right", errors::static_probes_that_are_nearly_right),
    // What it does cannot be undone.
    ("privileges::a_kernel_that_is_locked_down", privileges::a_kernel_that_is_locked_down),
];

/// The errno of a refusal.
fn errno(error: &Error) -> Option<i32> {
    match error {
        Error::Kernel(refusal) => refusal.source.raw_os_error(),
        _ => None,
    }
}

/// How many rounds a test takes that would take `all`: fewer in a virtual machine, where each takes much longer.
fn rounds(all: u64) -> u64 {
    if eunomia_vm::kernel().is_some() { all.div_ceil(5) } else { all }
}

/// What this program does as another process, for the tests that need one.
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
    ("namespace", privileges::in_user_namespace),
    ("tokenless", privileges::tokenless),
    ("locked", privileges::locked),
    ("typeless", missing::typeless),
    ("unmounted", missing::unmounted),
    ("unmounted-command", missing::unmounted_command),
    ("debugfs", missing::below_debugfs),
    ("descriptors", errors::few_descriptors),
    ("memlock", missing::memlock),
    ("memlock-of-root", missing::memlock_of_root),
    ("pinned", pins::another_process),
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
    // A machine permits it: there all tests would be left out because of what one of them tests.
    let permitted = preflight.ok() || eunomia_vm::kernel().is_some();
    if !permitted {
        print!("live tests are skipped, this process cannot use BPF:\n{preflight}");
    }
    let mut arguments = Arguments::from_args();
    // Process events, perf rings and signals are shared by all.
    arguments.test_threads = Some(1);
    needs::check(TESTS.iter().map(|(name, _)| *name));
    let machine = Machine::this();
    let trials = TESTS.iter().map(|&(name, test)| match machine.lacks(name) {
        Some(why) if permitted => Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why))),
        _ => Trial::test(name, test).with_ignored_flag(!permitted),
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
