package consent

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawHistory draws a ledger of one address; some noes came by mail.
func drawHistory(t *rapid.T) []Entry {
	scopes := []Scope{ScopeMarketing, ScopePartner, ScopeSharing, TopicScope(1), TopicScope(2)}
	ways := []Via{ViaPage, ViaOneClick, ViaMail, ViaMail, ViaMail, ViaConfirmed, ViaImport, ViaStaff, ViaSpamReport}
	var all []Entry
	for i := range rapid.IntRange(1, 15).Draw(t, "length") {
		e := entry(rapid.SampledFrom(scopes).Draw(t, "scope"), rapid.SampledFrom([]Choice{In, Out, Out}).Draw(t, "choice"),
			rapid.SampledFrom(ways).Draw(t, "via"), rapid.IntRange(0, 30).Draw(t, "minute"))
		e.Seq, e.Authenticated = int64(i+1), rapid.Bool().Draw(t, "authenticated")
		all = append(all, e)
	}
	return all
}

// TestTakingANoBackBringsExactlyWhatItStopped: afterwards stands what would
// stand had it never been written, and no other no has moved.
func TestTakingANoBackBringsExactlyWhatItStopped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawHistory(t)
		taken, rest := map[int64]bool{}, []Entry(nil)
		for _, e := range all {
			if e.Choice == Out && e.Via == ViaMail && rapid.Bool().Draw(t, "taken") {
				taken[e.Seq] = true
			} else {
				rest = append(rest, e)
			}
		}
		now, without := Fold(all), Fold(rest)
		after := now
		for _, back := range Restored(all, taken) {
			after = after.With(entry(back.Scope, back.Choice, ViaConfirmed, 100))
		}
		for _, scope := range choiceScopes(now, without) {
			got, stood, would := after.mark(scope).Choice, now.mark(scope).Choice, without.mark(scope).Choice
			if stood == Out && got != would {
				t.Fatalf("%s is %q, and would be %q: %+v without %v", scope, got, would, all, taken)
			}
			if stood != Out && got != stood {
				t.Fatalf("%s was %q and became %q", scope, stood, got)
			}
		}
		if len(taken) == 0 && len(Restored(all, taken)) > 0 {
			t.Fatal("taking nothing back brought something")
		}
	})
}

// TestAFirmNoSurvivesTheTakingBackOfWeakerOnes is what a row of its own for a
// firmer no is good for.
func TestAFirmNoSurvivesTheTakingBackOfWeakerOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawHistory(t)
		scope := rapid.SampledFrom([]Scope{ScopeMarketing, TopicScope(1)}).Draw(t, "asked")
		taken := map[int64]bool{}
		for _, e := range all {
			taken[e.Seq] = e.Choice == Out && e.Strength() < 2
		}
		firm := Firm(all, scope, 2)
		for _, back := range Restored(all, taken) {
			if firm && back.Scope == scope {
				t.Fatalf("%s was firm and came back: %+v", scope, all)
			}
		}
	})
}

// TestTheStricterOfTwoCounts: of a yes and a no at the same moment, or one of
// which could be anybody's, the no counts, in whatever order they are written.
func TestTheStricterOfTwoCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topic := TopicScope(1)
		yes, no := entry(topic, In, ViaPage, 5), entry(topic, Out, ViaPage, 5)
		switch rapid.IntRange(0, 2).Draw(t, "case") {
		case 1: // the yes could be anybody's, and is the later one
			yes.Authenticated, yes.Received = false, no.Received.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "later"))*time.Minute)
		case 2: // the no could be anybody's, and is the later one
			no = entry(topic, Out, ViaMail, 5+rapid.IntRange(0, 9).Draw(t, "later"))
		}
		all := []Entry{yes, no}
		if rapid.Bool().Draw(t, "no first") {
			all = []Entry{no, yes}
		}
		if Decide(Person{State: Fold(all)}, Message{Class: Newsletter, Topic: 1}, Policy{}) != OptedOut {
			t.Fatalf("the yes counts of %+v", all)
		}
		conflicts := Conflicts(all)
		if len(conflicts) != 1 || conflicts[0].Yes.Choice != In || conflicts[0].No.Choice != Out {
			t.Fatalf("conflicts of %+v: %+v", all, conflicts)
		}
	})
}

func TestConflicts(t *testing.T) {
	topic := TopicScope(1)
	for _, tt := range []struct {
		name    string
		entries []Entry
		want    int
	}{
		{"a change of mind", []Entry{entry(topic, In, ViaImport, 1), entry(topic, Out, ViaOneClick, 2)}, 0},
		{"an import and a mail that proves nothing", []Entry{entry(topic, In, ViaImport, 1), entry(topic, Out, ViaMail, 2)}, 1},
		{"a mail about everything", []Entry{entry(topic, In, ViaImport, 1), entry(TopicScope(2), In, ViaImport, 1), entry(ScopeMarketing, Out, ViaMail, 2)}, 2},
		{"and then they chose", []Entry{entry(topic, In, ViaImport, 1), entry(topic, Out, ViaMail, 2), entry(topic, Out, ViaPage, 3)}, 0},
		{"and then took it back", []Entry{entry(topic, In, ViaImport, 1), entry(topic, Out, ViaMail, 2), entry(topic, In, ViaConfirmed, 3)}, 0},
		{"an older no of their own besides", []Entry{entry(topic, Out, ViaPage, 1), entry(topic, In, ViaConfirmed, 2), entry(topic, Out, ViaMail, 3)}, 1},
		{"nothing was ever chosen", []Entry{entry(ScopeMarketing, Out, ViaMail, 2)}, 0},
	} {
		if got := Conflicts(tt.entries); len(got) != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
