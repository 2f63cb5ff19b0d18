package main

import (
	"sync"

	"heed/mailer/mailertest"
)

// recipients is where all mail of the demo ends: the people's mail servers. It
// records what it takes, tells those who wait for a mail, and plays the servers
// that are not always willing.
type recipients struct {
	sink *mailertest.Sink

	mu      sync.Mutex
	later   map[string]int // how often a recipient's server still says "later"
	refused map[string]int // how often it said so
	nobody  map[string]bool
	count   map[string]int // by subject
	told    []func(mailertest.Record)
	asked   func(to string)                     // told of each recipient that is offered; may be nil
	acts    func(verb string) mailertest.Action // what is done at a command instead of the usual; may be nil
}

// openRecipients serves on loopback. The server of eve takes a mail at the
// second try only.
func openRecipients(keep mailertest.Keep) (*recipients, error) {
	r := &recipients{later: map[string]int{eve: 1}, refused: map[string]int{}, nobody: map[string]bool{}, count: map[string]int{}}
	sink, err := mailertest.Start(mailertest.Options{OnRcpt: r.judge, OnMessage: r.take, Async: true, Keep: keep, Script: r.act})
	r.sink = sink
	return r, err
}

// act is asked at each command.
func (r *recipients) act(verb string, _ int) mailertest.Action {
	r.mu.Lock()
	acts := r.acts
	r.mu.Unlock()
	if acts == nil {
		return mailertest.Action{}
	}
	return acts(verb)
}

// acting lets the servers act otherwise than usual from now on.
func (r *recipients) acting(acts func(verb string) mailertest.Action) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acts = acts
}

// judge is asked for each recipient.
func (r *recipients) judge(_, to string) mailertest.Reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked != nil {
		r.asked(to)
	}
	switch {
	case r.later[to] > 0:
		r.later[to]--
		r.refused[to]++
		return mailertest.Reply{Code: 451, Enhanced: "4.7.1", Text: "greylisted, come back in a moment"}
	case r.nobody[to]:
		r.refused[to]++
		return mailertest.Reply{Code: 550, Enhanced: "5.1.1", Text: "no such mailbox"}
	}
	return mailertest.Reply{}
}

// take is told of each message.
func (r *recipients) take(m mailertest.Record) {
	r.mu.Lock()
	r.count[kindOf(m)]++
	told := r.told
	r.mu.Unlock()
	for _, tell := range told {
		tell(m)
	}
}

// each calls tell for every message from now on.
func (r *recipients) each(tell func(mailertest.Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(append([]func(mailertest.Record){}, r.told...), tell)
}

// got is how many messages of a kind have come.
func (r *recipients) got(kind string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count[kind]
}

// offers calls ask for each recipient from now on; ask must return at once.
func (r *recipients) offers(ask func(to string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = ask
}

func (r *recipients) refusals(of string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused[of]
}

// gone lets the server of an address say that it has no such mailbox.
func (r *recipients) gone(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nobody[address] = true
}

// find gives the messages of a kind to an address.
func (r *recipients) find(kind, to string) []mailertest.Record {
	var all []mailertest.Record
	for _, m := range r.sink.Records() {
		if m.To == to && (kind == "" || kindOf(m) == kind) {
			all = append(all, m)
		}
	}
	return all
}
