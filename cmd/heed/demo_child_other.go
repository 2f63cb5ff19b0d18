//go:build !linux

package main

import "syscall"

// diesWithParent keeps Ctrl-C for the demo itself, which stops its children.
// Only Linux can also end them when the demo is killed.
func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
