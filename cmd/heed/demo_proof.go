package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"heed/mailer/mailertest"
)

// The kinds of message that the demo sends, told apart by their subjects.
const (
	kindHello = "hello" // a small campaign before
	kindNews  = "news"  // the campaign that is watched
	kindAlert = "alert" // the service alert
	kindOther = "other" // confirmations and the like
)

func kindOf(m mailertest.Record) string {
	subject := textOf(m.Header().Get("Subject"))
	for kind, end := range map[string]string{kindHello: helloSubject, kindNews: newsSubject, kindAlert: alertSubject} {
		if strings.HasSuffix(subject, end) {
			return kind
		}
	}
	return kindOther
}

// ack is an opt-out that heed acknowledged, as the demo saw it from outside.
type ack struct {
	who      string
	at       time.Time // the answer was there, or the mail lay in Processed
	inFlight int       // how many messages the answer said were under way
}

// handed is a message as the sink recorded it.
type handed struct {
	kind, to, id string
	at           time.Time // when the relay had all of it
	oneClick     bool      // a valid signature covers both headers of RFC 8058
}

func (h handed) marketing() bool { return h.kind == kindHello || h.kind == kindNews }

// proof is what the sink's record shows. The demo fails unless it is clean.
type proof struct {
	Messages   int      `json:"messages"`
	Marketing  int      `json:"marketing"`
	OneClick   int      `json:"one_click_signed"` // of Marketing
	OptOuts    int      `json:"opt_outs"`
	InFlight   int      `json:"declared_in_flight"`
	SentAfter  int      `json:"sent_after_opt_out"`
	Duplicates int      `json:"duplicates"`
	Lost       int      `json:"lost"`     // accepted by heed's account, unknown to the sink
	Unlisted   int      `json:"unlisted"` // known to the sink, not accepted by the account
	Uncertain  int      `json:"uncertain"`
	Allowed    int      `json:"uncertain_allowed"` // the connections that were open when the worker was killed
	Balanced   bool     `json:"balanced"`
	Verified   bool     `json:"verified"` // heed verify
	OK         bool     `json:"ok"`
	Problems   []string `json:"problems"`
}

// add notes a problem.
func (p *proof) add(bad bool, format string, args ...any) {
	if bad {
		p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
	}
}

// countRecord counts what needs only the sink's record and the moments at which
// opt-outs were acknowledged.
func countRecord(messages []handed, acks []ack) proof {
	p := proof{Messages: len(messages), OptOuts: len(acks)}
	seen := map[string]bool{}
	for _, m := range messages {
		if m.marketing() {
			p.Marketing++
		}
		if m.marketing() && m.oneClick {
			p.OneClick++
		}
		if m.kind != kindOther && (seen[m.kind+" "+m.to] || seen[m.id]) {
			p.Duplicates++
		}
		seen[m.kind+" "+m.to], seen[m.id] = true, true
	}
	for _, a := range acks {
		p.InFlight += a.inFlight
		p.SentAfter += max(0, sentAfter(messages, a)-a.inFlight)
	}
	return p
}

// sentAfter counts the marketing that was handed over after an opt-out.
func sentAfter(messages []handed, a ack) (n int) {
	for _, m := range messages {
		if m.to == a.who && m.marketing() && m.at.After(a.at) {
			n++
		}
	}
	return n
}

// account is a campaign's account, as `heed campaign status` gives it.
type account struct {
	State     string         `json:"state"`
	Audience  int            `json:"audience"`
	Accepted  int            `json:"accepted"`
	Returned  int            `json:"returned"` // of Accepted
	Rejected  int            `json:"rejected"`
	Skipped   map[string]int `json:"skipped"`
	Deferred  int            `json:"deferred"`
	Uncertain int            `json:"uncertain"`
	InFlight  int            `json:"in_flight"`
	Waiting   int            `json:"waiting"`
}

// sum is what the audience must equal at every moment.
func (a account) sum() int {
	return a.Accepted + a.Rejected + a.skipped() + a.Deferred + a.Uncertain + a.InFlight + a.Waiting
}

func (a account) skipped() (n int) {
	for _, count := range a.Skipped {
		n += count
	}
	return n
}

// words is the account for people.
func (a account) words() string {
	parts := []string{fmt.Sprintf("%d accepted (%d of them came back)", a.Accepted, a.Returned)}
	for _, reason := range sorted(a.Skipped) {
		parts = append(parts, fmt.Sprintf("%d skipped: %s", a.Skipped[reason], strings.ReplaceAll(reason, "_", " ")))
	}
	parts = append(parts, fmt.Sprintf("%d rejected", a.Rejected), fmt.Sprintf("%d uncertain", a.Uncertain))
	if rest := a.Deferred + a.InFlight + a.Waiting; rest > 0 {
		parts = append(parts, fmt.Sprintf("%d still to come", rest))
	}
	return strings.Join(parts, " + ")
}

func sorted(counts map[string]int) []string {
	var keys []string
	for key := range counts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// result is a line of `heed campaign results`.
type result struct {
	Email   string `json:"email"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// compare holds the account against the sink: what it calls accepted must be
// there, and what is there it must call accepted, or uncertain. Relayed mail
// that the last server refused was accepted all the same.
func (p *proof) compare(a account, results []result, messages []handed, refused func(to string) bool) {
	arrived := map[string]bool{}
	for _, m := range messages {
		arrived[m.to] = arrived[m.to] || m.kind == kindNews
	}
	erased := 0 // were sent to; who they were nobody can tell any more
	for _, r := range results {
		taken := r.Outcome == "accepted" || r.Outcome == "returned"
		switch {
		case r.Email == "" && taken:
			erased++
		case taken && !arrived[r.Email] && !refused(r.Email):
			p.Lost++
		case !taken && r.Outcome != "uncertain" && arrived[r.Email]:
			p.Unlisted++
		}
		delete(arrived, r.Email)
	}
	p.Lost += max(0, erased-nobodys(arrived))
	p.Uncertain, p.Balanced = a.Uncertain, a.sum() == a.Audience && len(results) == a.Audience
}

// nobodys counts who got the campaign and is not in its results by name.
func nobodys(arrived map[string]bool) (n int) {
	for _, news := range arrived {
		if news {
			n++
		}
	}
	return n
}

// judge turns the counts into a verdict.
func (p *proof) judge() {
	p.add(p.Marketing == 0, "nothing was sent at all")
	p.add(p.OptOuts == 0, "nobody opted out")
	p.add(p.SentAfter > 0, "%d messages were handed over after an acknowledged opt-out", p.SentAfter)
	p.add(p.Duplicates > 0, "%d messages came twice", p.Duplicates)
	p.add(p.Lost > 0, "%d messages are accepted in the account, but never reached the sink", p.Lost)
	p.add(p.Unlisted > 0, "%d messages reached the sink, but are not in the account", p.Unlisted)
	p.add(p.Uncertain > p.Allowed, "%d deliveries are uncertain, more than the %d connections", p.Uncertain, p.Allowed)
	p.add(p.OneClick < p.Marketing, "%d of %d messages have no one-click headers under a valid signature", p.Marketing-p.OneClick, p.Marketing)
	p.add(!p.Balanced, "the account does not balance")
	p.add(!p.Verified, "heed verify found broken invariants")
	if p.OK = len(p.Problems) == 0; p.OK {
		p.Problems = []string{} // a list, also where it is empty
	}
}

// fields are the counts under their names.
func (p *proof) fields() map[string]any {
	fields := map[string]any{}
	text, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		fields["error"] = err.Error()
	}
	return fields
}

func (p *proof) words() string {
	return fmt.Sprintf("counted from the sink's own record: sent after an acknowledged opt-out: %d (%d opt-outs, %d declared in flight); duplicates: %d; lost: %d; uncertain: %d (at most %d); one-click headers under a valid DKIM signature: %d of %d",
		p.SentAfter, p.OptOuts, p.InFlight, p.Duplicates, p.Lost, p.Uncertain, p.Allowed, p.OneClick, p.Marketing)
}
