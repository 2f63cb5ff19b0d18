package mailer

import (
	"time"

	"golang.org/x/sys/unix"
)

// BootTime is the time since boot, suspend included (CLOCK_BOOTTIME). A machine that
// slept between a claim and the end of its message must find the claim too old, which
// a clock that sleeps too would not tell.
func BootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("CLOCK_BOOTTIME cannot be read: " + err.Error()) // every Linux since 2.6.39 has it
	}
	return time.Duration(ts.Nano())
}
