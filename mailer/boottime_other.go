//go:build !linux

package mailer

import (
	"time"

	"golang.org/x/sys/unix"
)

// BootTime is a monotonic time; on Darwin it runs on through sleep.
func BootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("CLOCK_MONOTONIC cannot be read: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
