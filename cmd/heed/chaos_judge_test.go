package main

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// judge holds what the sink recorded against the database: nothing lost, nobody
// twice, nothing after an acknowledged opt-out or in a pause.
func (r *chaosRound) judge(t *testing.T) (proof, []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	a, results, err := r.database(ctx)
	if err == nil {
		err = r.settles(ctx, a)
	}
	if err != nil {
		t.Fatal(err)
	}
	messages := r.passed()
	p := countRecord(messages, r.acks)
	p.compare(a, results, messages, func(string) bool { return false })
	p.Allowed = r.allowed()
	if p.Verified, err = r.verified(ctx); err != nil {
		t.Fatal(err)
	}
	return p, append(r.broken(p, a), r.stirred(messages)...)
}

// database reads the account of the campaign and what became of each recipient.
func (r *chaosRound) database(ctx context.Context) (a account, results []result, err error) {
	if a, err = ask[account](ctx, r.heed, "campaign", "status", r.id); err != nil {
		return a, nil, err
	}
	results, err = askAll[result](ctx, r.heed, "campaign", "results", r.id)
	return a, results, err
}

// settles waits until a relay in between has passed on what it accepted.
func (r *chaosRound) settles(ctx context.Context, a account) error {
	if r.relay == nil {
		return nil
	}
	return eventually(ctx, 30*time.Second, "Postfix to pass everything on", func() (bool, error) { return r.got(kindNews) >= a.Accepted, nil })
}

// passed are the messages at the sink. It leaves out what Postfix passed on a
// second time: it was stopped before it could note that the sink had it. What
// heed hands over twice has two queue numbers.
func (r *chaosRound) passed() (all []handed) {
	seen := map[string]bool{}
	for _, m := range r.sink.Records() {
		number := ""
		if r.relay != nil {
			number = queueNumber(m)
		}
		if number == "" || !seen[number] {
			all = append(all, handed{kind: kindOf(m), to: m.To, id: m.Header().Get("Message-Id"), at: r.Taken(m)})
		}
		seen[number] = true
	}
	return all
}

// allowed is how many messages may have an unknown fate after these faults: one of
// each connection that they cut.
func (r *chaosRound) allowed() (n int) {
	for _, f := range r.plan.faults {
		n += faultNamed(f.fault).uncertain(r.plan, f, r.connections)
	}
	return n
}

// broken names each promise that the counts break.
func (r *chaosRound) broken(p proof, a account) (all []string) {
	say := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	say(p.Duplicates > 0, "%d messages were handed over twice", p.Duplicates)
	say(p.Lost > 0, "%d messages are accepted in the database and unknown to the sink", p.Lost)
	say(p.Unlisted > 0, "%d messages are at the sink and not accepted in the database", p.Unlisted)
	say(p.SentAfter > 0, "%d messages were handed over after an acknowledged opt-out", p.SentAfter)
	say(p.Uncertain > p.Allowed, "%d messages are uncertain, at most %d may be", p.Uncertain, p.Allowed)
	say(!p.Balanced, "the account does not balance: %+v", a)
	say(!p.Verified, "heed verify found a broken invariant")
	say(a.State != "done" || a.Waiting+a.Deferred+a.InFlight > 0, "the campaign has not ended for everybody: %+v", a)
	say(a.Rejected > 0, "%d people were rejected although the sink refuses nobody for good", a.Rejected)
	for reason, n := range a.Skipped {
		say(reason != "opted_out", "%d people were skipped: %s", n, reason)
	}
	for _, mistake := range r.sink.Violations() {
		say(true, "in the conversation with the sink: %s", mistake)
	}
	return all
}

// stirred names the pauses in which more was sent than was declared.
func (r *chaosRound) stirred(messages []handed) (all []string) {
	for _, s := range r.still {
		n := 0
		for _, m := range messages {
			if m.kind == kindNews && m.at.After(s.from) && m.at.Before(s.until) {
				n++
			}
		}
		if n > s.inFlight {
			all = append(all, fmt.Sprintf("%d messages were sent while the campaign was paused, %d were declared", n, s.inFlight))
		}
	}
	return all
}
