package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"heed/store"
)

// The exit codes. A supervisor should not restart a program that ended with 2.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitFound   = 3 // a check found problems
	exitRefused = 4 // refused by policy
)

// problem is an error with an exit code and a hint what to do next.
type problem struct {
	code int
	err  error
	hint string
}

func (p problem) Error() string { return p.err.Error() }

func (p problem) Unwrap() error { return p.err }

// hinted adds what to do next to an error.
func hinted(err error, hint string) error {
	if err == nil {
		return nil
	}
	return problem{exitFailed, err, hint}
}

// found is the error of a check that found problems.
func found(hint, format string, args ...any) error {
	return problem{exitFound, fmt.Errorf(format, args...), hint}
}

// voice is where the program speaks: data to out, talk to err.
type voice struct {
	out, err io.Writer
	json     bool
}

// fail tells an error and gives the exit code for it.
func (v voice) fail(err error) int {
	if err == nil {
		return exitDone
	}
	p := problem{code: exitFailed, err: err}
	if errors.Is(err, store.ErrRefused) {
		p.code = exitRefused
	}
	var known problem
	if errors.As(err, &known) {
		p.code, p.hint = known.code, known.hint
	}
	if p.hint == "" {
		p.hint = hintFor(err)
	}
	v.tell(err.Error(), p.hint)
	return p.code
}

func (v voice) tell(text, hint string) {
	if v.json {
		json.NewEncoder(v.err).Encode(struct {
			Error string `json:"error"`
			Hint  string `json:"hint"`
		}{text, hint})
		return
	}
	fmt.Fprintln(v.err, "heed: "+text)
	if hint != "" {
		fmt.Fprintln(v.err, "hint: "+hint)
	}
}

// hintFor knows what to do about errors of other packages.
func hintFor(err error) string {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "heed campaign list and heed case list show the numbers that there are"
	case errors.Is(err, store.ErrState):
		return "heed campaign status ID and heed case show ID tell the state"
	}
	return ""
}

// line writes one object on one line.
func (v voice) line(object any) error {
	encoder := json.NewEncoder(v.out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(object)
}

// say writes data for people.
func (v voice) say(format string, args ...any) {
	fmt.Fprintf(v.out, format+"\n", args...)
}

// note talks beside the data.
func (v voice) note(format string, args ...any) {
	fmt.Fprintf(v.err, format+"\n", args...)
}

// show writes an object as JSON, or what words does for people.
func (v voice) show(object any, words func()) error {
	if v.json {
		return v.line(object)
	}
	words()
	return nil
}

var placeholder = regexp.MustCompile(`\s*[<\[].*$`)

// bare is a command's name without its arguments.
func bare(command string) string { return strings.TrimSpace(placeholder.ReplaceAllString(command, "")) }
