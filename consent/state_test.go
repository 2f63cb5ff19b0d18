package consent

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func entry(scope Scope, choice Choice, via Via, minute int) Entry {
	at := start.Add(time.Duration(minute) * time.Minute)
	return Entry{Scope: scope, Choice: choice, Via: via, Received: at, Recorded: at, Authenticated: via == ViaPage}
}

func TestDecideNewsletter(t *testing.T) {
	topic := TopicScope(1)
	tests := []struct {
		name    string
		entries []Entry
		want    Reason
	}{
		{"nothing on record", nil, NoConsent},
		{"a first yes by import", []Entry{entry(topic, In, ViaImport, 1)}, ""},
		{"yes to all marketing, no topic chosen", []Entry{entry(ScopeMarketing, In, ViaImport, 1)}, ""},
		{"yes to another topic", []Entry{entry(TopicScope(2), In, ViaImport, 1)}, NoConsent},
		{"no to the topic", []Entry{entry(topic, In, ViaImport, 1), entry(topic, Out, ViaOneClick, 2)}, OptedOut},
		{"no to everything", []Entry{entry(topic, In, ViaImport, 1), entry(ScopeMarketing, Out, ViaMail, 2)}, OptedOut},
		{"a later import", []Entry{entry(topic, Out, ViaPage, 1), entry(topic, In, ViaImport, 2)}, OptedOut},
		{"a later import of a topic after a no to everything", []Entry{entry(ScopeMarketing, Out, ViaPage, 1), entry(topic, In, ViaImport, 2)}, OptedOut},
		{"staff cannot", []Entry{entry(topic, Out, ViaPage, 1), entry(topic, In, ViaStaff, 2), entry(topic, In, ViaAPI, 3)}, OptedOut},
		{"their own yes after a no", []Entry{entry(topic, Out, ViaPage, 1), entry(topic, In, ViaConfirmed, 2)}, ""},
		{"their own yes to one topic after a no to everything", []Entry{entry(ScopeMarketing, Out, ViaPage, 1), entry(topic, In, ViaPage, 2)}, ""},
		{"a yes that came earlier but is recorded later", []Entry{entry(topic, Out, ViaPage, 5), entry(topic, In, ViaPage, 2)}, OptedOut},
		{"a tie", []Entry{entry(topic, In, ViaPage, 5), entry(topic, Out, ViaPage, 5)}, OptedOut},
		{"a tie the other way round", []Entry{entry(topic, Out, ViaPage, 5), entry(topic, In, ViaPage, 5)}, OptedOut},
		{"on hold", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeHold, Set, ViaMail, 2)}, OnHold},
		{"hold lifted", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeHold, Set, ViaMail, 2), entry(ScopeHold, Lift, ViaStaff, 3)}, ""},
		{"suppressed", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeSuppressed, Set, ViaImport, 2)}, Suppressed},
		{"suppressed by an older list", []Entry{entry(topic, In, ViaPage, 9), entry(ScopeSuppressed, Set, ViaImport, 2)}, Suppressed},
		{"suppressed, and back by their own act", []Entry{entry(ScopeSuppressed, Set, ViaImport, 2), entry(topic, In, ViaConfirmed, 3)}, ""},
		{"suppressed, and back to another topic", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeSuppressed, Set, ViaImport, 2), entry(TopicScope(2), In, ViaConfirmed, 3)}, Suppressed},
		{"their own yes to partner offers is none to news", []Entry{entry(ScopeMarketing, Out, ViaPage, 1), entry(ScopePartner, In, ViaPage, 2), entry(ScopeMarketing, In, ViaImport, 3)}, OptedOut},
		{"one strike", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeStrike, Set, ViaBounce, 2)}, ""},
		{"two strikes within a day", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeStrike, Set, ViaBounce, 2), entry(ScopeStrike, Set, ViaBounce, 60)}, ""},
		{"two strikes a day apart", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeStrike, Set, ViaBounce, 2), entry(ScopeStrike, Set, ViaBounce, 2+24*60)}, DeadAddress},
		{"erased", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeErased, Set, ViaConfirmed, 2)}, Erased},
		{"erased and imported again", []Entry{entry(ScopeErased, Set, ViaConfirmed, 2), entry(topic, In, ViaImport, 3)}, Erased},
		{"erased and back by their own act", []Entry{entry(ScopeErased, Set, ViaConfirmed, 2), entry(topic, In, ViaConfirmed, 3)}, ""},
		{"restricted", []Entry{entry(topic, In, ViaPage, 1), entry(ScopeRestricted, Set, ViaStaff, 2)}, Restricted},
		{"a later yes that could be anybody's", []Entry{entry(topic, Out, ViaMail, 1), {Scope: topic, Choice: In, Via: ViaPage, Received: start.Add(time.Hour)}}, OptedOut},
		{"a later no that could be anybody's", []Entry{entry(topic, In, ViaPage, 1), entry(topic, Out, ViaMail, 2)}, OptedOut},
		{"a no taken back to nothing said", []Entry{entry(ScopeMarketing, Out, ViaMail, 1), entry(ScopeMarketing, Lift, ViaConfirmed, 2), entry(topic, In, ViaImport, 3)}, ""},
		{"a no that staff would take back", []Entry{entry(topic, In, ViaPage, 1), entry(topic, Out, ViaMail, 2), entry(topic, Lift, ViaStaff, 3)}, OptedOut},
	}
	for _, tt := range tests {
		got := Decide(Person{State: Fold(tt.entries)}, Message{Class: Newsletter, Topic: 1}, Policy{})
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestPause: marketing waits until its end and goes on by itself; alerts do not wait.
func TestPause(t *testing.T) {
	until := start.Add(48 * time.Hour)
	topic, later, sooner := TopicScope(1), PauseScope(until.Add(time.Hour)), PauseScope(until.Add(-time.Hour))
	paused := []Entry{entry(topic, In, ViaPage, 1), entry(ScopePartner, In, ViaPage, 1), entry(PauseScope(until), Set, ViaPage, 2)}
	with := func(more ...Entry) State { return Fold(append(paused[:len(paused):len(paused)], more...)) }
	for _, tt := range []struct {
		name string
		s    State
		at   time.Time
		want Reason
	}{
		{"begun", with(), start.Add(time.Hour), OnHold},
		{"its last moment", with(), until.Add(-time.Microsecond), OnHold},
		{"over", with(), until, ""},
		{"nobody says when", with(), time.Time{}, OnHold},
		{"stopped as well", with(entry(topic, Out, ViaPage, 3)), start.Add(time.Hour), OptedOut},
		{"ended by the person", with(entry(PauseScope(until), Lift, ViaConfirmed, 3)), start.Add(time.Hour), ""},
		{"ended by staff", with(entry(PauseScope(until), Lift, ViaStaff, 3)), start.Add(time.Hour), OnHold},
		{"shortened by an import", with(entry(sooner, Set, ViaImport, 3)), until.Add(-time.Minute), OnHold},
		{"shortened by the person", with(entry(sooner, Set, ViaConfirmed, 3)), until.Add(-time.Minute), ""},
		{"lengthened by staff", with(entry(later, Set, ViaStaff, 3)), until, OnHold},
		{"erased, and back", with(entry(ScopeErased, Set, ViaConfirmed, 3), entry(topic, In, ViaConfirmed, 4)), start.Add(time.Hour), ""},
	} {
		for m, want := range map[Message]Reason{{Class: Newsletter, Topic: 1}: tt.want, {Class: Alert}: ""} {
			if got := Decide(Person{At: tt.at, State: tt.s, Holds: true}, m, Policy{}); got != want {
				t.Errorf("%s, %s: %q, want %q", tt.name, m.Class, got, want)
			}
		}
	}
	if got, ok := PauseScope(until).Pause(); !ok || !got.Equal(until) {
		t.Errorf("the end of the pause is read as %s", got)
	}
	for _, wrong := range []Scope{"pause:", "pause:x", "pause:-1", "pause:0", "pause:99999999999999999999", ScopeHold, topic} {
		if _, ok := wrong.Pause(); ok {
			t.Errorf("%s is taken for a pause", wrong)
		}
	}
	if entry(PauseScope(until), Out, ViaPage, 1).Check() == nil {
		t.Error("a pause can be out")
	}
}

// TestNobodyElseEndsAPause: whatever comes on another way than the person's own act, marketing waits at least as long.
func TestNobodyElseEndsAPause(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Fold([]Entry{entry(PauseScope(start.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, "hours"))*time.Hour)), Set, ViaPage, 1)})
		before := s.Pause
		for range rapid.IntRange(1, 8).Draw(t, "n") {
			via := rapid.SampledFrom([]Via{ViaAPI, ViaImport, ViaStaff, ViaBounce, ViaSpamReport, ViaSystem, ViaMail, ViaOneClick}).Draw(t, "via")
			scope := rapid.SampledFrom([]Scope{ScopeMarketing, ScopeHold, TopicScope(1), PauseScope(start.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "end")) * time.Hour))}).Draw(t, "scope")
			choice := rapid.SampledFrom([]Choice{In, Out, Set, Lift}).Draw(t, "choice")
			s = s.With(entry(scope, choice, via, 2))
		}
		if s.Pause < before {
			t.Fatalf("the pause ends at %d, before it was %d", s.Pause, before)
		}
	})
}

func TestDecideOthers(t *testing.T) {
	out := Fold([]Entry{entry(ScopePartner, In, ViaPage, 1), entry(ScopeMarketing, Out, ViaPage, 2), entry(ScopeHold, Set, ViaMail, 3)})
	tests := []struct {
		name string
		p    Person
		m    Message
		want Reason
	}{
		{"an alert goes to a holder who opted out", Person{State: out, Holds: true}, Message{Class: Alert}, ""},
		{"an alert goes to no stranger", Person{}, Message{Class: Alert}, NoConsent},
		{"alerts stay rare", Person{Holds: true, Received: 4}, Message{Class: Alert}, Capped},
		{"no alert to the erased", Person{State: State{Erased: 1}, Holds: true}, Message{Class: Alert}, Erased},
		{"no alert to the restricted", Person{State: State{Restricted: 1}, Holds: true}, Message{Class: Alert}, Restricted},
		{"a no to everything covers partner offers", Person{State: out}, Message{Class: PartnerOffer}, OptedOut},
		{"partner offers need their own yes", Person{State: Fold([]Entry{entry(ScopeMarketing, In, ViaPage, 1)})}, Message{Class: PartnerOffer}, NoConsent},
		{"an unknown class is never sent", Person{Holds: true}, Message{Class: "surprise"}, PolicyReason},
	}
	for _, tt := range tests {
		if got := Decide(tt.p, tt.m, Policy{AlertCap: 4}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestOnlyTheirOwnActTurnsANoIntoAYes draws histories and checks every step.
func TestOnlyTheirOwnActTurnsANoIntoAYes(t *testing.T) {
	scopes := []Scope{ScopeMarketing, ScopePartner, ScopeSharing, TopicScope(1), TopicScope(2), ScopeSuppressed}
	ways := []Via{ViaPage, ViaOneClick, ViaMail, ViaConfirmed, ViaAPI, ViaImport, ViaStaff, ViaBounce, ViaSpamReport, ViaSystem}
	messages := []Message{{Class: Newsletter, Topic: 1}, {Class: Newsletter, Topic: 2}, {Class: PartnerOffer}}
	rapid.Check(t, func(t *rapid.T) {
		var s State
		refused := map[int]bool{}
		for range rapid.IntRange(1, 20).Draw(t, "length") {
			e := drawn(rapid.SampledFrom(scopes).Draw(t, "scope"), rapid.SampledFrom([]Choice{In, Out, Lift}).Draw(t, "choice"),
				rapid.SampledFrom(ways).Draw(t, "via"), rapid.IntRange(0, 50).Draw(t, "minute"))
			s = s.With(e)
			for i, m := range messages {
				reason := Decide(Person{State: s}, m, Policy{})
				theirs := e.Choice != Out && e.own() && covers(e.Scope, m)
				if refused[i] && reason == "" && !theirs {
					t.Fatalf("%+v turned a no to %+v into a yes", e, m)
				}
				undone := reason == NoConsent && e.Choice != Out && e.own() // they took their no back: nothing is said any more
				refused[i] = reason == OptedOut || reason == Suppressed || refused[i] && reason != "" && !theirs && !undone
			}
		}
		again, err := DecodeState(s.Encode())
		if err != nil || again.Encode() != s.Encode() {
			t.Fatalf("state %+v does not survive writing: %v", s, err)
		}
	})
}

// drawn makes an entry that fits its scope: a status is set, a choice is made.
func drawn(scope Scope, choice Choice, via Via, minute int) Entry {
	if scope == ScopeSuppressed {
		choice = Set
	}
	return entry(scope, choice, via, minute)
}

// covers tells whether a yes to the scope can be a yes to the message.
func covers(scope Scope, m Message) bool {
	topic, ok := scope.Topic()
	return scope == ScopeMarketing && m.Class == Newsletter || ok && topic == m.Topic || scope == ScopePartner && m.Class == PartnerOffer
}

func TestLedgerHashCoversEveryField(t *testing.T) {
	base := entry(ScopeMarketing, Out, ViaPage, 1)
	first := string(base.Hash([]byte("before")))
	for name, change := range map[string]func(*Entry){
		"seq": func(e *Entry) { e.Seq++ }, "address": func(e *Entry) { e.Address[10]++ }, "subject": func(e *Entry) { e.Subject = "x" },
		"scope": func(e *Entry) { e.Scope = ScopePartner }, "choice": func(e *Entry) { e.Choice = In }, "via": func(e *Entry) { e.Via = ViaMail },
		"received": func(e *Entry) { e.Received = e.Received.Add(time.Microsecond) }, "recorded": func(e *Entry) { e.Recorded = e.Recorded.Add(time.Microsecond) },
		"source": func(e *Entry) { e.Source = "x" }, "policy": func(e *Entry) { e.PolicyID = "x" }, "policy hash": func(e *Entry) { e.PolicyHash = []byte{1} },
		"authenticated": func(e *Entry) { e.Authenticated = !e.Authenticated }, "evidence": func(e *Entry) { e.Evidence = []byte{1} },
	} {
		changed := base
		change(&changed)
		if string(changed.Hash([]byte("before"))) == first {
			t.Errorf("the hash does not cover %s", name)
		}
	}
	if string(base.Hash([]byte("other"))) == first {
		t.Error("the hash does not cover the row before")
	}
}
