"""The tests of this folder that do not hold where isolation is reduced, and why. What they are about is tested for it
in test_sandbox_reduced.py, in so far as it is promised."""

_PROC = "there is no /proc to look at: test_sandbox_reduced looks from outside"
_SOCKETS = "no sockets but pairs"
_NAMESPACES = "this is about namespaces"
_DISK = "files are counted, not refused"

NOT_WHERE_REDUCED = {
    "test_the_network_is_not_there": _PROC,
    "test_neither_holds_anything_but_its_streams_and_the_channel": _PROC,
    "test_a_channel_is_of_no_use_after_its_run": _PROC,
    "test_memory_tells_nothing_of_earlier_runs": _PROC,
    "test_secrets_of_the_service_are_nowhere_to_read": _PROC,
    "test_python_inherits_no_descriptors": _PROC,
    "test_a_command_inherits_no_descriptors": _PROC,
    "test_calls_have_the_answer_channel_and_no_more": _PROC,
    "test_no_capabilities_no_new_privileges_and_nothing_to_regain_them_with": _PROC,
    "test_setuid_programs_give_nothing": _PROC,
    "test_proc_tells_of_own_processes_only": _PROC,
    "test_unix_sockets_within_a_run_work": _SOCKETS,
    "test_names_between_runs_are_gone": _SOCKETS,
    "test_runs_at_one_time_do_not_see_or_reach_each_other": _SOCKETS,
    "test_isolation_says_what_is_in_force": _NAMESPACES,
    "test_each_process_of_a_cell_is_in_the_namespaces_that_are_claimed": _NAMESPACES,
    "test_each_case_has_a_fresh_process_and_directory": "process ids are those of the container",
    "test_host_name_time_zone_and_locale_are_fixed": "the host name is that of the container",
    "test_the_host_sees_a_user_that_owns_nothing": "the agent is root in a closed directory; its runs are not",
    "test_the_root_holds_nothing_but_the_system": "no /dev/fd, and a closed directory for what is deleted",
    "test_files_are_gone_in_the_next_run": "/tmp is not the run's own: it cannot change its mode",
    "test_disk": _DISK,
    "test_disk_in_deleted_files_counts": _DISK,
    "test_number_of_files": _DISK,
    "test_a_tree_3000_directories_deep_leaves_nothing": "deeper than 200 counts as too many files",
}
