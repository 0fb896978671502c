;; A plugin for the tests that imports every function of `wasi_snapshot_preview1` and no host function: it answers with an
;; error that says, in two digits each, what some of them gave. Shown two rows it exits, shown three it prints 17 MiB first.
;;
;; It reads a clock and random numbers while the host's arguments are allocated, as Go's runtime does.
(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_advise" (func $fd_advise (param i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_allocate" (func $fd_allocate (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_datasync" (func $fd_datasync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $fd_fdstat_set_flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_rights" (func $fd_fdstat_set_rights (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $fd_filestat_set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_times" (func $fd_filestat_set_times (param i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $fd_prestat_dir_name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_sync" (func $fd_sync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_tell" (func $fd_tell (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $path_create_directory (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_set_times" (func $path_filestat_set_times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $path_link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_readlink" (func $path_readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $path_remove_directory (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "proc_raise" (func $proc_raise (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept" (func $sock_accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_recv" (func $sock_recv (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_send" (func $sock_send (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_shutdown" (func $sock_shutdown (param i32 i32) (result i32)))

  (memory (export "memory") 274)
  ;; Preview 1 writes below 512, the report is at 1024, results are from 2048 on, the host's arguments from 4096.
  (data (i32.const 512) "hello\nworld\n")
  (data (i32.const 528) "warn \ff\n")
  (data (i32.const 540) "last words")
  ;; Pieces: "hel" and "lo\nwo", "rld\n", the warning, the last words.
  (data (i32.const 576) "\00\02\00\00\03\00\00\00" "\03\02\00\00\05\00\00\00" "\08\02\00\00\04\00\00\00")
  (data (i32.const 600) "\10\02\00\00\07\00\00\00" "\1c\02\00\00\0a\00\00\00")
  (data (i32.const 616) "\00\00\01\00\00\00\10\01")
  ;; A subscription to a second of the monotonic clock.
  (data (i32.const 640) "\2a\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00"
    "\00\ca\9a\3b\00\00\00\00")
  ;; What `init` gives, at 2052: one input, at 2200, which is spans without columns.
  (data (i32.const 2056) "\98\08\00\00\01\00\00\00")

  (global $free (mut i32) (i32.const 4096))
  (global $said (mut i32) (i32.const 1024))

  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $length i32) (result i32)
    (local $at i32)
    (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 0)))
    (drop (call $random_get (i32.const 0) (i32.const 8)))
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
    (global.set $free (i32.add (local.get $at) (local.get $length)))
    (local.get $at))

  (func $say (param $number i32)
    (i32.store8 (global.get $said) (i32.add (i32.const 48) (i32.div_u (local.get $number) (i32.const 10))))
    (i32.store8 offset=1 (global.get $said) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (i32.store8 offset=2 (global.get $said) (i32.const 32))
    (global.set $said (i32.add (global.get $said) (i32.const 3))))

  (func (export "wasmill:plugin/stage@0.1.0#init") (param i32 i32) (result i32)
    (i32.const 2052))

  (func (export "wasmill:plugin/stage@0.1.0#process") (param i32) (param $rows i32) (param i32 i32 i32 i32) (result i32)
    (if (i32.eq (local.get $rows) (i32.const 2))
      (then
        (drop (call $fd_write (i32.const 2) (i32.const 608) (i32.const 1) (i32.const 24)))
        (call $proc_exit (i32.const 3))))
    (if (i32.eq (local.get $rows) (i32.const 3))
      (then (drop (call $fd_write (i32.const 1) (i32.const 616) (i32.const 1) (i32.const 24)))))
    ;; No environment, no arguments.
    (i64.store (i32.const 0) (i64.const -1))
    (call $say (call $environ_sizes_get (i32.const 0) (i32.const 4)))
    (call $say (i32.load (i32.const 0)))
    (call $say (i32.load (i32.const 4)))
    (call $say (call $args_sizes_get (i32.const 0) (i32.const 4)))
    ;; A clock goes on, and an unknown one is refused.
    (call $say (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 8)))
    (call $say (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 16)))
    (call $say (i64.gt_u (i64.load (i32.const 16)) (i64.load (i32.const 8))))
    (call $say (call $clock_time_get (i32.const 9) (i64.const 1) (i32.const 8)))
    ;; Eleven random bytes, not twelve.
    (call $say (call $random_get (i32.const 32) (i32.const 11)))
    (call $say (i64.ne (i64.load (i32.const 32)) (i64.const 0)))
    (call $say (i32.load8_u (i32.const 43)))
    ;; No files and sockets.
    (call $say (call $fd_prestat_get (i32.const 3) (i32.const 0)))
    (call $say
      (call $path_open (i32.const 3) (i32.const 0) (i32.const 512) (i32.const 5) (i32.const 0) (i64.const 0) (i64.const 0)
        (i32.const 0) (i32.const 0)))
    (call $say (call $fd_close (i32.const 7)))
    (call $say (call $sock_shutdown (i32.const 4) (i32.const 1)))
    ;; Standard streams: at the end of input, no seeking, a character device.
    (call $say (call $fd_read (i32.const 0) (i32.const 576) (i32.const 1) (i32.const 0)))
    (call $say (call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0)))
    (call $say (call $fd_fdstat_get (i32.const 1) (i32.const 64)))
    (call $say (i32.load8_u (i32.const 64)))
    ;; Sleeping a second takes one, and no time.
    (call $say (call $poll_oneoff (i32.const 640) (i32.const 128) (i32.const 1) (i32.const 0)))
    (call $say (i32.load (i32.const 0)))
    (call $say (i32.load (i32.const 128)))
    (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 8)))
    (call $say
      (i64.gt_u (i64.sub (i64.load (i32.const 8)) (i64.load (i32.const 16))) (i64.const 1_000_000_000)))
    ;; Two lines in three pieces, a warning that is not UTF-8; what is not a stream cannot be written.
    (call $say (call $fd_write (i32.const 1) (i32.const 576) (i32.const 2) (i32.const 24)))
    (call $say (i32.load (i32.const 24)))
    (call $say (call $fd_write (i32.const 1) (i32.const 592) (i32.const 1) (i32.const 24)))
    (call $say (call $fd_write (i32.const 2) (i32.const 600) (i32.const 1) (i32.const 24)))
    (call $say (call $fd_write (i32.const 5) (i32.const 600) (i32.const 1) (i32.const 24)))
    ;; An error: the report.
    (i32.store (i32.const 2300) (i32.const 1))
    (i32.store (i32.const 2304) (i32.const 1024))
    (i32.store (i32.const 2308) (i32.sub (global.get $said) (i32.const 1025)))
    (global.set $said (i32.const 1024))
    (i32.const 2300))

  ;; Not called: this plugin has no use for them.
  (func (export "wasmill:plugin/stage@0.1.0#tick") (param i64) (result i32) (unreachable))
  (func (export "wasmill:plugin/stage@0.1.0#flush") (result i32) (unreachable))
  (func (export "wasmill:plugin/stage@0.1.0#snapshot") (result i32) (unreachable))
  (func (export "wasmill:plugin/stage@0.1.0#restore") (param i32 i32) (result i32) (unreachable)))
