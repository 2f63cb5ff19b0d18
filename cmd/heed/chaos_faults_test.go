package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"heed/mailer/mailertest"
)

// chaosFault is a thing that breaks in a round.
type chaosFault struct {
	name string
	fits func(p chaosPlan) bool
	draw func(p chaosPlan, r *rand.Rand, f *planned)
	run  func(ctx context.Context, r *chaosRound, f planned) error
	// uncertain is how many messages may be left of which nobody knows whether
	// the relay has them, with n connections of each process.
	uncertain func(p chaosPlan, f planned, n int) int
}

const diskFull = "full disk"

// chaosFaults are all of them. New ones go to the end: seeds keep their plans.
func chaosFaults() []chaosFault {
	anywhere := func(chaosPlan) bool { return true }
	none := func(chaosPlan, planned, int) int { return 0 }
	its := func(_ chaosPlan, _ planned, n int) int { return n }
	every := func(p chaosPlan, _ planned, n int) int { return n * len(p.senders()) }
	apart := func(p chaosPlan) bool {
		return slices.ContainsFunc(p.processes, func(name string) bool { return !sends(name) })
	}
	return []chaosFault{
		{"kill -9", anywhere, drawSender(0, 0), killed, its},
		{"SIGSTOP", anywhere, drawSender(500*time.Millisecond, 3500*time.Millisecond), frozen, none},
		{"long SIGSTOP", anywhere, drawSender(5500*time.Millisecond, 7*time.Second), frozen, its},
		{"kill -9 of another", apart, drawOther, killed, none},
		{"FLUSHALL", func(p chaosPlan) bool { return p.redis }, drawLong(0, 0), flushed, none},
		{"Redis away", func(p chaosPlan) bool { return p.redis }, drawLong(100*time.Millisecond, 2*time.Second), redisAway, none},
		{"PostgreSQL restart", func(p chaosPlan) bool { return p.postgres }, drawLong(0, time.Second), postgresAway, every},
		{"PostgreSQL kill -9", func(p chaosPlan) bool { return p.postgres }, drawLong(0, time.Second), postgresKilled, every},
		{"relay drops", func(p chaosPlan) bool { return !p.postfix }, drawVerb, relayDrops, atEnd},
		{"relay refuses", func(p chaosPlan) bool { return !p.postfix }, drawVerb, relayRefuses, none},
		{"relay away", anywhere, drawLong(200*time.Millisecond, 2*time.Second), relayAway, every},
		{diskFull, anywhere, drawLong(300*time.Millisecond, 1500*time.Millisecond), fullDisk, none},
		{"relay stalls", func(p chaosPlan) bool { return !p.postfix }, drawStall, relayStalls, none},
		{"pause", anywhere, drawLong(100*time.Millisecond, 800*time.Millisecond), paused, none},
	}
}

func faultNamed(name string) chaosFault {
	all := chaosFaults()
	return all[slices.IndexFunc(all, func(f chaosFault) bool { return f.name == name })]
}

// drawLong draws how long a fault lasts.
func drawLong(least, most time.Duration) func(chaosPlan, *rand.Rand, *planned) {
	return func(_ chaosPlan, r *rand.Rand, f *planned) {
		if most > least {
			f.long = (least + time.Duration(r.Int64N(int64(most-least)))).Round(time.Millisecond)
		}
	}
}

// drawSender hits a process that hands mail over.
func drawSender(least, most time.Duration) func(chaosPlan, *rand.Rand, *planned) {
	return func(p chaosPlan, r *rand.Rand, f *planned) {
		f.whom = p.sender(r)
		drawLong(least, most)(p, r, f)
	}
}

// drawOther hits any process that is started apart.
func drawOther(p chaosPlan, r *rand.Rand, f *planned) {
	f.whom = anyOf(r, slices.DeleteFunc(slices.Clone(p.processes), sends))
}

func drawVerb(_ chaosPlan, r *rand.Rand, f *planned) {
	f.verb, f.after = anyOf(r, []string{"CONNECT", "EHLO", "MAIL", "RCPT", "BDAT", "END", "END", "RSET"}), r.IntN(2) == 0
}

// drawStall has the relay silent at the end of messages, also for longer than an
// opt-out waits.
func drawStall(p chaosPlan, r *rand.Rand, f *planned) {
	f.verb, f.many = "END", 1+r.IntN(4)
	drawLong(500*time.Millisecond, 4*time.Second)(p, r, f)
}

// atEnd: where the end of a message has no answer, its fate is unknown.
func atEnd(_ chaosPlan, f planned, _ int) int {
	if f.verb == "END" {
		return f.many
	}
	return 0
}

// killed ends a process without warning and starts it again.
func killed(ctx context.Context, r *chaosRound, f planned) error {
	r.children[f.whom].kill()
	return r.starts(ctx, f.whom)
}

// frozen stops a process: for it, no time passes until it goes on.
func frozen(ctx context.Context, r *chaosRound, f planned) error {
	process := r.children[f.whom].cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	pass(ctx, f.long)
	return process.Signal(syscall.SIGCONT)
}

// pass lets time go by.
func pass(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func flushed(_ context.Context, r *chaosRound, _ planned) error {
	return r.yard.redis.Command("+OK", "FLUSHALL")
}

func redisAway(ctx context.Context, r *chaosRound, f planned) error {
	r.yard.redis.Kill()
	pass(ctx, f.long)
	return r.yard.redis.Start()
}

func postgresAway(ctx context.Context, r *chaosRound, f planned) error {
	if err := r.yard.postgres.Stop(); err != nil {
		return err
	}
	pass(ctx, f.long)
	return r.yard.postgres.Start()
}

func postgresKilled(ctx context.Context, r *chaosRound, f planned) error {
	r.yard.postgres.Kill()
	pass(ctx, f.long)
	return r.yard.postgres.Start()
}

// relayDrops lets the relay cut the line at a verb, as often as planned.
func relayDrops(_ context.Context, r *chaosRound, f planned) error {
	drop := mailertest.Action{Drop: mailertest.DropBefore}
	if f.after {
		drop.Drop = mailertest.DropAfter
	}
	r.misbehaves(f.verb, f.many, drop)
	return nil
}

// relayStalls lets the relay answer late.
func relayStalls(_ context.Context, r *chaosRound, f planned) error {
	r.misbehaves(f.verb, f.many, mailertest.Action{Stall: f.long})
	return nil
}

// relayRefuses lets the relay say later, and sometimes that it closes.
func relayRefuses(_ context.Context, r *chaosRound, f planned) error {
	later := mailertest.Reply{Code: 451, Enhanced: "4.3.0", Text: "later"}
	if f.after || f.verb == "CONNECT" || f.verb == "EHLO" || f.verb == "RSET" {
		later.Code, later.Enhanced = 421, "4.3.2"
	}
	r.misbehaves(f.verb, f.many, mailertest.Action{Reply: later})
	return nil
}

// relayAway takes heed's relay away: connections are cut.
func relayAway(ctx context.Context, r *chaosRound, f planned) error {
	if r.relay == nil {
		r.sink.Stop()
		pass(ctx, f.long)
		return r.sink.Resume()
	}
	if err := r.relay.Stop(); err != nil {
		return err
	}
	pass(ctx, f.long)
	return r.relay.Start()
}

// fullDisk fills the disk of heed's data folder.
func fullDisk(ctx context.Context, r *chaosRound, f planned) error {
	ballast, err := fillUp(r.disk)
	if err != nil {
		return err
	}
	pass(ctx, f.long)
	return os.Remove(ballast)
}

// paused pauses the campaign, watches that it is still, and lets it go on.
func paused(ctx context.Context, r *chaosRound, f planned) error {
	step, err := ask[stateView](ctx, r.heed, "campaign", "pause", r.id)
	if err != nil {
		return r.overAlready(ctx, err)
	}
	still := stillness{from: time.Now()}
	if step.InFlight != nil {
		still.inFlight = *step.InFlight
	}
	pass(ctx, f.long)
	still.until = time.Now()
	r.still = append(r.still, still)
	_, err = r.heed.run(ctx, "campaign", "resume", r.id)
	return err
}

// overAlready forgives a pause that came when the campaign was over.
func (r *chaosRound) overAlready(ctx context.Context, failed error) error {
	a, err := ask[account](ctx, r.heed, "campaign", "status", r.id)
	if err == nil && a.State == "done" {
		return nil
	}
	return errors.Join(failed, err)
}

// role is what a process of a plan is started as: "worker 2" is a worker.
func role(process string) string {
	name, _, _ := strings.Cut(process, " ")
	return name
}
