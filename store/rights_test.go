package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"heed/consent"
	"heed/store"
)

// opens opens a case by hand.
func opens(t *testing.T, s *store.Store, kind consent.CaseKind, email string) int64 {
	t.Helper()
	id, err := s.OpenCase(context.Background(), store.Report{Kind: kind, Email: email, Mailbox: "desk", By: "kim"})
	must(t, err)
	return id
}

// lettersOf lists the letters of a case that wait, by their kind.
func lettersOf(t *testing.T, s *store.Store, id int64) map[string]store.Correspondence {
	t.Helper()
	f, err := s.CaseFile(context.Background(), id)
	must(t, err)
	all := map[string]store.Correspondence{}
	for _, c := range f.Letters {
		if c.State == "waiting" {
			all[c.Kind] = c
		}
	}
	return all
}

func eventKinds(t *testing.T, s *store.Store, id int64) string {
	t.Helper()
	f, err := s.CaseFile(context.Background(), id)
	must(t, err)
	var kinds []string
	for _, e := range f.Events {
		kinds = append(kinds, e.Kind)
	}
	return strings.Join(kinds, " ")
}

// TestRestrictionEndsAfterThePersonIsTold: nothing may be sent while it holds,
// and it holds until the letter has left.
func TestRestrictionEndsAfterThePersonIsTold(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		people(t, s.Store, 1)
		id := opens(t, s.Store, consent.CaseComplaint, "ann@example.com")
		if err := s.Restrict(ctx, "p0@example.com", store.Decision{Case: id, Reason: "r", By: "kim", Tell: []string{"Example Relay"}}); !errors.Is(err, store.ErrRefused) {
			t.Errorf("somebody else was restricted for the case: %v", err)
		}
		must(t, s.Restrict(ctx, "ann@example.com", store.Decision{Case: id, Reason: "says the address is wrong", By: "kim", Tell: []string{"Example Relay"}}))
		if err := s.Restrict(ctx, "ann@example.com", store.Decision{Case: id, Reason: "again", By: "kim", Tell: []string{"Example Relay"}}); !errors.Is(err, store.ErrState) {
			t.Errorf("a second time gave %v", err)
		}
		state := stateOf(t, s.Store, key)
		for _, class := range []consent.Class{consent.Newsletter, consent.PartnerOffer, consent.Alert, consent.Legal, consent.Registration} {
			if reason := consent.Decide(consent.Person{State: state, Holds: true}, consent.Message{Class: class, Topic: 1}, consent.Policy{}); reason != consent.Restricted {
				t.Errorf("%s is decided %q", class, reason)
			}
		}
		if lettersOf(t, s.Store, id)[store.WriteRestricted].Key != key.String() {
			t.Error("the person is not told")
		}
		if letter, err := s.Answer(ctx, id, "We look into it.", "kim"); err != nil || letter == 0 {
			t.Errorf("a letter about the request was refused: %v", err)
		}
		must(t, s.Unrestrict(ctx, "ann@example.com", store.Decision{Case: id, Reason: "it was right", By: "kim"}, ""))
		if stateOf(t, s.Store, key).Restricted == 0 {
			t.Fatal("the restriction ended before the person was told")
		}
		lifting := lettersOf(t, s.Store, id)[store.WriteLifting]
		must(t, s.EndCorrespondence(ctx, lifting, "rejected", 550))
		if stateOf(t, s.Store, key).Restricted == 0 {
			t.Fatal("the restriction ended although the letter was refused")
		}
		must(t, s.Unrestrict(ctx, "ann@example.com", store.Decision{Case: id, Reason: "it was right", By: "kim"}, ""))
		must(t, s.EndCorrespondence(ctx, lettersOf(t, s.Store, id)[store.WriteLifting], "sent", 250))
		if stateOf(t, s.Store, key).Restricted != 0 || !strings.HasSuffix(eventKinds(t, s.Store, id), "lifting lifted") {
			t.Errorf("after the letter left: %s, %s", stateOf(t, s.Store, key).Encode(), eventKinds(t, s.Store, id))
		}
		must(t, s.Restrict(ctx, "ann@example.com", store.Decision{Case: id, Reason: "once more", By: "kim", Tell: []string{"Example Relay"}}))
		must(t, s.Unrestrict(ctx, "ann@example.com", store.Decision{Case: id, Reason: "settled", By: "kim"}, "by telephone"))
		if stateOf(t, s.Store, key).Restricted != 0 {
			t.Error("whoever was told otherwise is still restricted")
		}
		clean(t, s.Store)
	})
}

// TestCorrection keeps what stood there before with the case, tells the person,
// and leaves choices alone.
func TestCorrection(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		before := stateOf(t, s.Store, key)
		_, err := s.RecordMail(ctx, asks(consent.KindRectification, "ann@example.com", "d1"))
		must(t, err)
		c := theCase(t, s.Store, key)
		last, none := "O'Neill", ""
		what := store.Correction{LastName: &last, Company: &none, Attrs: map[string]string{"plan": "", "size": "9"}}
		changes, err := s.Correct(ctx, "ann@example.com", store.Decision{Case: c.ID, By: "kim", Tell: []string{"Canary Relay"}}, what)
		must(t, err)
		p, _, err := s.PersonByKey(ctx, key)
		must(t, err)
		if len(changes) != 4 || p.LastName != last || p.Company != "" || p.FirstName != "Canary-First" || p.Attrs["size"] != "9" || len(p.Attrs) != 1 {
			t.Errorf("corrected %+v to %+v", changes, p)
		}
		if _, err := s.Correct(ctx, "ann@example.com", store.Decision{Case: c.ID, By: "kim", Tell: []string{"Canary Relay"}}, what); !errors.Is(err, store.ErrRefused) {
			t.Errorf("the same once more gave %v", err)
		}
		if letter := lettersOf(t, s.Store, c.ID)[store.WriteCorrected]; len(letter.Changes) != 4 || letter.Key != key.String() {
			t.Errorf("the letter is %+v", letter)
		}
		after := stateOf(t, s.Store, key)
		after.Hold = before.Hold
		if after.Encode() != before.Encode() {
			t.Errorf("a correction changed choices: %s", after.Encode())
		}
		r, err := s.Held(ctx, key, 0)
		must(t, err)
		if text, _ := json.Marshal(r); !strings.Contains(string(text), "Canary-Company") || !strings.Contains(string(text), "Canary Relay") || strings.Contains(string(text), "kim") {
			t.Errorf("the copy lacks what stood there before, or names staff: %s", text)
		}
		clean(t, s.Store)
	})
}

// TestGuardianActsThroughAPerson: the mail holds the writer and touches no
// child; a person decides about the child, with evidence.
func TestGuardianActsThroughAPerson(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, parent := context.Background(), ann(t, s.Store)
		people(t, s.Store, 1)
		child := keyOf(t, s.Store, "p0@example.com")
		mail := asks(consent.KindGuardian, "ann@example.com", "d1")
		mail.Text = "Please delete what you have about my child, p0@example.com"
		_, err := s.RecordMail(ctx, mail)
		must(t, err)
		c := theCase(t, s.Store, parent)
		if c.Kind != consent.CaseGuardian || c.State != consent.CaseOpen || !isOnHold(t, s.Store, parent) || isOnHold(t, s.Store, child) {
			t.Fatalf("the mail made the case %+v; parent on hold %v, child %v", c, isOnHold(t, s.Store, parent), isOnHold(t, s.Store, child))
		}
		act := store.GuardianAct{Case: c.ID, Child: "p0@example.com", By: "kim", Evidence: "canary birth certificate"}
		bare, own := act, act
		bare.Evidence, own.Child = " ", "ann@example.com"
		for _, one := range []store.GuardianAct{bare, own} {
			if err := s.GuardianHold(ctx, one); !errors.Is(err, store.ErrRefused) {
				t.Errorf("%+v gave %v", one, err)
			}
		}
		must(t, s.GuardianHold(ctx, act))
		must(t, s.GuardianShow(ctx, act))
		links, err := s.ReportLinks(ctx, c.ID)
		must(t, err)
		r, err := s.OpenReport(ctx, links[0], "page")
		must(t, err)
		if !isOnHold(t, s.Store, child) || links[0].Key != child || links[0].Reader != parent || r.Person.Email != "p0@example.com" {
			t.Errorf("links %+v to a copy of %+v", links, r.Person)
		}
		if raw, _ := json.Marshal(r); strings.Contains(string(raw), "ann@example.com") {
			t.Errorf("the child's copy names the guardian: %s", raw)
		}
		name := "Kim"
		if changes, err := s.GuardianCorrect(ctx, act, store.Correction{FirstName: &name}); err != nil || len(changes) != 1 {
			t.Errorf("correcting gave %v, %v", changes, err)
		}
		for _, second := range []string{"", "Kim "} {
			act.Second = second
			if _, err := s.GuardianErase(ctx, act); !errors.Is(err, store.ErrRefused) {
				t.Errorf("with the second person %q erasing gave %v", second, err)
			}
		}
		act.Second = "bo"
		erasure, err := s.GuardianErase(ctx, act)
		must(t, err)
		must(t, s.Erase(ctx, erasure))
		if _, known, _ := s.PersonByKey(ctx, child); known || stateOf(t, s.Store, child).Erased == 0 {
			t.Error("the child is not erased")
		}
		if _, known, _ := s.PersonByKey(ctx, parent); !known {
			t.Error("the guardian is erased")
		}
		f, err := s.CaseFile(ctx, c.ID)
		must(t, err)
		if raw, _ := json.Marshal(f); strings.Contains(string(raw), "canary birth") || strings.Contains(string(raw), "p0@example.com: ") {
			t.Errorf("the case still names the erased child: %s", raw)
		}
		_, err = s.Resolve(ctx, c.ID, store.Resolution{Outcome: "done", Quiet: true, By: "kim"})
		must(t, err)
		if isOnHold(t, s.Store, parent) {
			t.Error("the guardian is still on hold")
		}
		clean(t, s.Store)
	})
}

// TestTheChildsHoldEndsWithTheCase: not before, and not after.
func TestTheChildsHoldEndsWithTheCase(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		ann(t, s.Store)
		people(t, s.Store, 1)
		child := keyOf(t, s.Store, "p0@example.com")
		id := opens(t, s.Store, consent.CaseGuardian, "ann@example.com")
		must(t, s.GuardianHold(ctx, store.GuardianAct{Case: id, Child: "p0@example.com", By: "kim", Evidence: "e"}))
		other := opens(t, s.Store, consent.CaseComplaint, "p0@example.com")
		_, err := s.Resolve(ctx, other, store.Resolution{Outcome: "done", Quiet: true, By: "kim"})
		must(t, err)
		if !isOnHold(t, s.Store, child) {
			t.Error("the end of another case lifted the hold")
		}
		_, err = s.Resolve(ctx, id, store.Resolution{Outcome: "done", Quiet: true, By: "kim"})
		must(t, err)
		if isOnHold(t, s.Store, child) {
			t.Error("the hold outlived the case")
		}
		clean(t, s.Store)
	})
}

// TestObjectionStopsAtOnceAndDeletesNothing (GDPR Art. 21(2), (3)).
func TestObjectionStopsAtOnceAndDeletesNothing(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		f, err := s.RecordMail(ctx, asks(consent.KindObjection, "ann@example.com", "d1"))
		must(t, err)
		p, known, err := s.PersonByKey(ctx, key)
		must(t, err)
		if f.Outcome != "opted_out" || !known || p.Email != "ann@example.com" || stateOf(t, s.Store, key).Marketing.Choice != consent.Out {
			t.Errorf("an objection gave %+v, %s", f, stateOf(t, s.Store, key).Encode())
		}
		if links, _ := s.ReportLinks(ctx, 1); len(links) != 0 {
			t.Error("an objection gave a copy")
		}
		clean(t, s.Store)
	})
}
