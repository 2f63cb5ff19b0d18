// Command heed sends newsletters and service alerts, and heeds every opt-out.
//
// The files here are the program around the packages: flags (cli.go),
// configuration (config*.go), what each command does (one file a noun), and
// the wiring of the processes (roles.go, serve.go, parts.go, redis.go).
//
// The program's voice: data goes to stdout, talk and errors to stderr. An error
// says what was being done and, where there is one, what to do next.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program as a function: it gives the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	talk := voice{out: stdout, err: stderr, json: slices.Contains(args, "--json")}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, flags, err := parse(args, talk)
	if err != nil {
		return talk.fail(err)
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	a := &app{voice: talk, ctx: ctx, flags: flags, env: os.Environ()}
	defer a.close()
	return talk.fail(a.scrub(command.Run(a)))
}

// runner is a command with its flags and arguments.
type runner interface{ Run(*app) error }

// parse finds the command that was named. The description of all the others is
// left behind: a server runs for months and needs it no more.
func parse(args []string, talk voice) (runner, settingFlags, error) {
	var commands cli
	parser, err := newParser(&commands, talk)
	if err != nil {
		return nil, settingFlags{}, err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return nil, settingFlags{}, usage(err)
	}
	command, runs := parsed.Selected().Target.Addr().Interface().(runner)
	if !runs {
		return nil, settingFlags{}, fmt.Errorf("%s cannot be run", parsed.Command())
	}
	return command, commands.settingFlags, nil
}

func newParser(commands *cli, talk voice) (*kong.Kong, error) {
	return kong.New(commands, kong.Name("heed"), kong.Writers(talk.out, talk.err), kong.Exit(os.Exit),
		kong.Description("Sends newsletters and service alerts, and heeds every opt-out."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}), kong.UsageOnError())
}

// untilSignal gives a context that ends with the first SIGTERM or SIGINT; the
// second one ends the program at once.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		cancel(errStopped)
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

var errStopped = errors.New("stopped by a signal")

// usage marks an error as one of the command line.
func usage(err error) error {
	var parse *kong.ParseError
	if errors.As(err, &parse) {
		if name := parse.Context.Command(); name != "" {
			return problem{exitUsage, err, fmt.Sprintf("see heed %s --help", bare(name))}
		}
	}
	return problem{exitUsage, err, "see heed --help"}
}
