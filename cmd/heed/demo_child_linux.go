package main

import "syscall"

// diesWithParent lets the system end a child when the demo goes, however it
// goes, and keeps Ctrl-C for the demo itself.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
