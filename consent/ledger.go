package consent

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Choice is which way somebody decided.
type Choice string

// In and Out are choices; Set and Lift switch a status, and Lift also takes a no
// back to nothing said; Note records without changing anything.
const (
	In   Choice = "in"
	Out  Choice = "out"
	Set  Choice = "set"
	Lift Choice = "lift"
	Note Choice = "note"
)

// Scope is what a choice is about: a topic ("topic:3"), all marketing, partner
// offers, sharing; or a status of the address.
type Scope string

// The scopes. Those from ScopeHold on are statuses.
const (
	ScopeMarketing  Scope = "marketing"
	ScopePartner    Scope = "partner_offers"
	ScopeSharing    Scope = "sharing"
	ScopeHold       Scope = "on_hold"
	ScopeRestricted Scope = "restricted"
	ScopeDead       Scope = "dead"
	ScopeStrike     Scope = "strike"
	ScopeErased     Scope = "erased"
	ScopeSuppressed Scope = "suppressed"
)

// TopicScope is the scope of one topic.
func TopicScope(topic int) Scope { return Scope("topic:" + strconv.Itoa(topic)) }

// Topic gives the number behind a topic's scope.
func (s Scope) Topic() (int, bool) {
	digits, found := strings.CutPrefix(string(s), "topic:")
	if !found {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n > 0
}

// PauseScope is the scope of a pause of all marketing. The moment of its end is
// in the name, to the second, so that every record of the pause says it.
func PauseScope(until time.Time) Scope {
	return Scope("pause:" + strconv.FormatInt(until.Unix(), 10))
}

// Pause gives the end of a pause whose scope it is.
func (s Scope) Pause() (until time.Time, ok bool) {
	digits, found := strings.CutPrefix(string(s), "pause:")
	if !found {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return time.Unix(n, 0).UTC(), err == nil && n > 0 && n < lastPause
}

const lastPause = 253402300800 // the year 10000: later times cannot be written as RFC 3339

// Via is the way on which a choice reached us.
type Via string

// The ways. Page, OneClick, Mail and Confirmed are the person's own acts.
const (
	ViaPage       Via = "page"
	ViaOneClick   Via = "one_click"
	ViaMail       Via = "mail"
	ViaConfirmed  Via = "confirmed" // a click from the address on file
	ViaAPI        Via = "api"
	ViaImport     Via = "import"
	ViaStaff      Via = "staff"
	ViaBounce     Via = "bounce"
	ViaSpamReport Via = "spam_report"
	ViaSystem     Via = "system"
)

// Own tells whether a yes on this way is the person's own affirmative act.
func (v Via) Own() bool { return v == ViaPage || v == ViaConfirmed }

// Entry is a row of the ledger.
type Entry struct {
	Seq           int64
	Address       Key
	Subject       string // random id of the person, or empty where none is stored
	Scope         Scope
	Choice        Choice
	Received      time.Time // at our edge: HTTP arrival, IMAP INTERNALDATE
	Recorded      time.Time // in the transaction, with the address locked
	Via           Via
	Source        string // name of the form or list; not personal
	PolicyID      string
	PolicyHash    []byte // SHA-256 of the policy's text
	Authenticated bool   // we know that the holder of the address did it
	Evidence      []byte // SHA-256 of the encrypted evidence in the annex, or nil
}

// Hash covers the entry and the row before it, so that no row can be changed,
// taken out or put in without every later hash telling.
func (e Entry) Hash(previous []byte) []byte {
	h := sha256.New()
	field := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	number := func(n int64) { field(strconv.AppendInt(nil, n, 10)) }
	field(previous)
	number(e.Seq)
	field(e.Address[:])
	for _, text := range []string{e.Subject, string(e.Scope), string(e.Choice), string(e.Via), e.Source, e.PolicyID} {
		field([]byte(text))
	}
	number(e.Received.UnixMicro())
	number(e.Recorded.UnixMicro())
	field(e.PolicyHash)
	field(e.Evidence)
	field(strconv.AppendBool(nil, e.Authenticated))
	return h.Sum(nil)
}

// Check refuses an entry that can mean nothing.
func (e Entry) Check() error {
	_, topic := e.Scope.Topic()
	if _, pause := e.Scope.Pause(); pause && e.Choice != Set && e.Choice != Lift {
		return fmt.Errorf("ledger entry: %s can be set or lifted, not %q", e.Scope, e.Choice)
	}
	switch e.Scope {
	case ScopeHold, ScopeRestricted, ScopeDead, ScopeStrike, ScopeErased, ScopeSuppressed:
		if e.Choice != Set && e.Choice != Lift {
			return fmt.Errorf("ledger entry: %s can be set or lifted, not %q", e.Scope, e.Choice)
		}
	case ScopeMarketing, ScopePartner, ScopeSharing:
		topic = true
	}
	if topic && e.Choice != In && e.Choice != Out && e.Choice != Note && e.Choice != Lift {
		return fmt.Errorf("ledger entry: %s can be in or out, not %q", e.Scope, e.Choice)
	}
	if e.Received.IsZero() || e.Recorded.IsZero() || e.Via == "" {
		return fmt.Errorf("ledger entry: time or way is missing")
	}
	return nil
}
