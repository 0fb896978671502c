;; `wasi_snapshot_preview1` for a core module that is made a component: an empty system within the component.
;;
;; It calls nothing outside but `write` and `exit`, and nobody's allocator: runtimes read clocks and random numbers while they allocate
;; what the host hands in (`cabi_realloc`), and a component that calls out then is ended.
;;
;; - Clocks are virtual: all show the same time, which starts at one second, goes on by a microsecond whenever it is looked at,
;;   and by as much as is slept. The time of day is a host function of the contract.
;; - Random numbers come from a seed that the host draws when it makes the component.
;; - Standard input is at its end; what goes to standard output and error goes to the guest's log. Every other descriptor is
;;   not open (EBADF), so there is no file, no directory and no socket.
;; - No arguments, no environment. Exiting and signals trap.
(module
  (import "wasmill:system/process@0.1.0" "write" (func $write (param $fd i32) (param $bytes i32) (param $length i32)))
  (import "wasmill:system/process@0.1.0" "exit" (func $exit (param $code i32)))
  (import "env" "memory" (memory 0))

  ;; Nanoseconds. Not 0: Go's runtime takes that for a broken clock.
  (global $now (mut i64) (i64.const 1_000_000_000))
  ;; The host puts a number of its own here.
  (global $random (mut i64) (i64.const 0x5EED_5EED_5EED_5EED))

  ;; errno: success 0, badf 8, inval 28, spipe 70.

  (func $is_standard (param $fd i32) (result i32)
    (i32.lt_u (local.get $fd) (i32.const 3)))

  ;; Success for the three that are open.
  (func $standard_only (param $fd i32) (result i32)
    (select (i32.const 0) (i32.const 8) (call $is_standard (local.get $fd))))

  ;; For what no stream can do: seek.
  (func $no_seek (param $fd i32) (result i32)
    (select (i32.const 70) (i32.const 8) (call $is_standard (local.get $fd))))

  ;; For what only a file can do.
  (func $no_file (param $fd i32) (result i32)
    (select (i32.const 28) (i32.const 8) (call $is_standard (local.get $fd))))

  (func $tick (result i64)
    (global.set $now (i64.add (global.get $now) (i64.const 1_000)))
    (global.get $now))

  ;; Arguments and environment

  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "args_sizes_get") (param i32 i32) (result i32) (call $none (local.get 0) (local.get 1)))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_sizes_get") (param i32 i32) (result i32) (call $none (local.get 0) (local.get 1)))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  ;; Clocks: real time, monotonic, and the CPU times of process and thread

  (func (export "clock_res_get") (param $clock i32) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 3)) (then (return (i32.const 28))))
    (i64.store (local.get $out) (i64.const 1_000))
    (i32.const 0))
  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 3)) (then (return (i32.const 28))))
    (i64.store (local.get $out) (call $tick))
    (i32.const 0))

  ;; When a subscription to a clock is due.
  (func $due (param $subscription i32) (result i64)
    (local $timeout i64) (local $due i64)
    (local.set $timeout (i64.load offset=24 (local.get $subscription)))
    (if (i32.and (i32.load16_u offset=40 (local.get $subscription)) (i32.const 1))
      (then (return (local.get $timeout))))
    (local.set $due (i64.add (global.get $now) (local.get $timeout)))
    ;; For ever, rather than in the past.
    (select (i64.const -1) (local.get $due) (i64.lt_u (local.get $due) (local.get $timeout))))

  ;; Streams are ready at once. With nothing but clocks, time goes on to the first that is due.
  (func $poll_oneoff (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (local $left i32) (local $at i32) (local $until i64) (local $start i64) (local $due i64)
    (local $tag i32) (local $written i32)
    (if (i32.eqz (local.get $count)) (then (return (i32.const 28))))
    (local.set $start (call $tick))
    (local.set $until (i64.const -1))
    (local.set $left (local.get $count))
    (local.set $at (local.get $in))
    (loop $next
      (local.set $due
        (if (result i64) (i32.load8_u offset=8 (local.get $at))
          (then (local.get $start))
          (else (call $due (local.get $at)))))
      (if (i64.lt_u (local.get $due) (local.get $until)) (then (local.set $until (local.get $due))))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    ;; Nothing ever comes.
    (if (i64.eq (local.get $until) (i64.const -1)) (then (unreachable)))
    (if (i64.lt_u (local.get $until) (local.get $start)) (then (local.set $until (local.get $start))))
    (local.set $left (local.get $count))
    (local.set $at (local.get $in))
    (loop $next
      (local.set $tag (i32.load8_u offset=8 (local.get $at)))
      (local.set $due
        (if (result i64) (local.get $tag)
          (then (local.get $start))
          (else (call $due (local.get $at)))))
      (if (i64.le_u (local.get $due) (local.get $until))
        (then
          (i64.store (local.get $out) (i64.load (local.get $at)))
          ;; The error is in the low half, the kind of event behind it.
          (i64.store offset=8 (local.get $out) (i64.extend_i32_u (i32.shl (local.get $tag) (i32.const 16))))
          (if (local.get $tag)
            (then
              (i32.store16 offset=8 (local.get $out) (call $standard_only (i32.load offset=16 (local.get $at))))))
          (i64.store offset=16 (local.get $out) (i64.const 0))
          (i64.store offset=24 (local.get $out) (i64.const 0))
          (local.set $out (i32.add (local.get $out) (i32.const 32)))
          (local.set $written (i32.add (local.get $written) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (global.set $now (local.get $until))
    (i32.store (local.get $events) (local.get $written))
    (i32.const 0))

  ;; Random numbers: splitmix64

  (func $word (result i64)
    (local $z i64)
    (global.set $random (i64.add (global.get $random) (i64.const 0x9E37_79B9_7F4A_7C15)))
    (local.set $z (global.get $random))
    (local.set $z
      (i64.mul (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 30))) (i64.const 0xBF58_476D_1CE4_E5B9)))
    (local.set $z
      (i64.mul (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 27))) (i64.const 0x94D0_49BB_1331_11EB)))
    (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 31))))
  (func (export "random_get") (param $out i32) (param $length i32) (result i32)
    (local $word i64)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $word (call $word))
        (if (i32.ge_u (local.get $length) (i32.const 8))
          (then
            (i64.store (local.get $out) (local.get $word))
            (local.set $out (i32.add (local.get $out) (i32.const 8)))
            (local.set $length (i32.sub (local.get $length) (i32.const 8)))
            (br $next)))
        (i64.store8 (local.get $out) (local.get $word))
        (local.set $out (i32.add (local.get $out) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; Standard streams

  (func (export "fd_write")
    (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $length i32) (local $sum i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $length (i32.load offset=4 (local.get $pieces)))
        (if (local.get $length)
          (then
            ;; At most 64 KiB of a piece: a log has no use for more, and the host limits what it takes from a call.
            (call $write (local.get $fd) (i32.load (local.get $pieces))
              (select (local.get $length) (i32.const 0x1_0000) (i32.lt_u (local.get $length) (i32.const 0x1_0000))))))
        (local.set $sum (i32.add (local.get $sum) (local.get $length)))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))
  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))
  ;; A character device, which has C's library write whole lines; to be read or to be written.
  (func (export "fd_fdstat_get") (param $fd i32) (param $out i32) (result i32)
    (if (i32.eqz (call $is_standard (local.get $fd))) (then (return (i32.const 8))))
    (i64.store (local.get $out) (i64.const 2))
    (i64.store offset=8 (local.get $out) (select (i64.const 64) (i64.const 2) (local.get $fd)))
    (i64.store offset=16 (local.get $out) (i64.const 0))
    (i32.const 0))
  (func (export "fd_filestat_get") (param $fd i32) (param $out i32) (result i32)
    (if (i32.eqz (call $is_standard (local.get $fd))) (then (return (i32.const 8))))
    (i64.store (local.get $out) (i64.const 0))
    (i64.store offset=8 (local.get $out) (i64.const 0))
    (i64.store offset=16 (local.get $out) (i64.const 2))
    (i64.store offset=24 (local.get $out) (i64.const 1))
    (i64.store offset=32 (local.get $out) (i64.const 0))
    (i64.store offset=40 (local.get $out) (i64.const 0))
    (i64.store offset=48 (local.get $out) (i64.const 0))
    (i64.store offset=56 (local.get $out) (i64.const 0))
    (i32.const 0))
  (func (export "fd_close") (param i32) (result i32) (call $standard_only (local.get 0)))
  (func (export "fd_sync") (param i32) (result i32) (call $standard_only (local.get 0)))
  (func (export "fd_datasync") (param i32) (result i32) (call $standard_only (local.get 0)))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (call $standard_only (local.get 0)))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (call $standard_only (local.get 0)))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (call $no_seek (local.get 0)))
  (func (export "fd_tell") (param i32 i32) (result i32) (call $no_seek (local.get 0)))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (call $no_seek (local.get 0)))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (call $no_seek (local.get 0)))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (call $no_seek (local.get 0)))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (call $no_file (local.get 0)))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (call $no_file (local.get 0)))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (call $no_file (local.get 0)))

  ;; Files, directories, sockets: no descriptor is one

  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 8))

  ;; The process

  (func (export "sched_yield") (result i32) (i32.const 0))
  (func $proc_exit (export "proc_exit") (param $code i32) (call $exit (local.get $code)) (unreachable))
  (func $proc_raise (export "proc_raise") (param i32) (result i32) (unreachable)))
