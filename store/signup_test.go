package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// form is one as the page hands it over.
func form(email string, topics ...string) store.SignUp {
	return store.SignUp{Contact: store.Contact{Email: email, FirstName: "Zoe", Language: "de", Topics: topics}, Wording: "I want it", Source: "footer", Network: "net"}
}

// signedUp sends a form in and gives the link of its letter.
func signedUp(t *testing.T, s *store.Store, f store.SignUp) (consent.Link, store.SignUpAsked) {
	t.Helper()
	ctx := context.Background()
	must(t, s.SignUp(ctx, f))
	letters, err := s.Letters(ctx, keyOf(t, s, f.Email))
	must(t, err)
	for i := len(letters) - 1; i >= 0; i-- {
		if letters[i].Kind == store.WriteSignUp {
			u, err := s.SignUpByID(ctx, letters[i].Change)
			must(t, err)
			l, err := s.Keys().Links.Open(s.SignUpToken(u.Key, u.ID))
			must(t, err)
			return l, u
		}
	}
	t.Fatal("no letter was written")
	return consent.Link{}, store.SignUpAsked{}
}

func letterCount(t *testing.T, s *store.Store, email, kind string) (n int) {
	t.Helper()
	letters, err := s.Letters(context.Background(), keyOf(t, s, email))
	must(t, err)
	for _, one := range letters {
		if one.Kind == kind {
			n++
		}
	}
	return n
}

// TestSignUp: nothing is decided before the click; the click says yes with the
// whole proof, and a second one changes nothing.
func TestSignUp(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		f := form("Zoe@Example.org", "product")
		f.PartnerOffers = true
		l, u := signedUp(t, s.Store, f)
		if _, known, _ := s.PersonByKey(ctx, u.Key); known || stateOf(t, s.Store, u.Key).Encode() != "{}" {
			t.Fatal("somebody is stored, or has decided, before the click")
		}
		if u.Email != "zoe@example.org" || len(u.Scopes) != 2 {
			t.Fatalf("kept %+v", u)
		}
		s.at = s.at.Add(time.Hour)
		done, err := s.ConfirmSignUp(ctx, l, store.Click{Network: "home", Wording: "Yes"})
		must(t, err)
		p, known, err := s.PersonByKey(ctx, u.Key)
		must(t, err)
		if !known || p.FirstName != "Zoe" || p.Language != "de" || done.Confirmed.IsZero() {
			t.Fatalf("after the click %+v is stored: %v", p, known)
		}
		state := p.State
		if state.Topics[1].Choice != consent.In || state.Topics[1].Policy != "2026-01" || state.Partner.Choice != consent.In || state.Sharing.Choice != "" || state.Topics[1].Via != consent.ViaConfirmed {
			t.Errorf("the state is %s", state.Encode())
		}
		r, err := s.Held(ctx, u.Key, 0)
		must(t, err)
		proof := fmt.Sprint(r.Choices[0].Evidence)
		for _, want := range []string{"text:I want it", "asked_from_network:net", "confirmed_from_network:home", "confirmed_text:Yes", "policy:2026-01", "policy_sha256:", "asked:", "confirmed:", "language:de"} {
			if !strings.Contains(proof, want) {
				t.Errorf("the proof lacks %s: %s", want, proof)
			}
		}
		rows := len(r.Choices)
		again, err := s.ConfirmSignUp(ctx, l, store.Click{})
		must(t, err)
		if r, err = s.Held(ctx, u.Key, 0); err != nil || len(r.Choices) != rows || again.Confirmed.IsZero() || len(again.Scopes) != 0 {
			t.Errorf("a second click made %d rows of %d, %v; what was asked for is still kept: %v", len(r.Choices), rows, err, again.Scopes)
		}
		clean(t, s.Store)
	})
}

// TestSignUpOfEachState: whoever opted out, was erased, is suppressed or has a dead
// mailbox gets the same letter, and only their click makes a yes; of the rest
// nothing is touched.
func TestSignUpOfEachState(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		_, err := s.OptOut(ctx, store.OptOut{Key: key, Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		_, _, err = s.Suppress(ctx, []store.Suppression{{Row: 2, Email: "old@example.com", Scope: "all", At: s.at.Add(-time.Hour), Source: "list"}})
		must(t, err)
		for _, email := range []string{"ann@example.com", "old@example.com"} {
			l, u := signedUp(t, s.Store, form(email, "product"))
			if reason := decided(stateOf(t, s.Store, u.Key), 1); reason == "" {
				t.Fatalf("%s gets product news before the click", email)
			}
			s.at = s.at.Add(time.Minute)
			_, err := s.ConfirmSignUp(ctx, l, store.Click{})
			must(t, err)
			state := stateOf(t, s.Store, u.Key)
			if decided(state, 1) != "" || decided(state, 2) == "" || state.Partner.Choice == consent.In {
				t.Errorf("%s: after the click the state is %s", email, state.Encode())
			}
		}
		if p, _, _ := s.PersonByKey(ctx, key); p.FirstName != "Canary-First" {
			t.Errorf("a form overwrote what was known: %+v", p)
		}
		id, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: "ann@example.com", Mailbox: "desk"})
		must(t, err)
		c, err := s.Case(ctx, id)
		must(t, err)
		c = click(t, s.Store, c)
		must(t, s.Erase(ctx, c.ID))
		s.at = s.at.Add(store.SignUpEvery + time.Minute)
		l, _ := signedUp(t, s.Store, form("ann@example.com", "events"))
		if stateOf(t, s.Store, key).Erased == 0 {
			t.Fatal("a form lifted an erasure")
		}
		_, err = s.ConfirmSignUp(ctx, l, store.Click{})
		must(t, err)
		state := stateOf(t, s.Store, key)
		p, known, err := s.PersonByKey(ctx, key)
		must(t, err)
		if !known || p.FirstName != "Zoe" || state.Erased != 0 || decided(state, 2) != "" || decided(state, 1) == "" {
			t.Errorf("who was erased and came back is %+v with %s", p, state.Encode())
		}
		clean(t, s.Store)
	})
}

func decided(s consent.State, topic int) consent.Reason {
	return consent.Decide(consent.Person{State: s}, consent.Message{Class: consent.Newsletter, Topic: topic}, consent.Policy{})
}

// TestOneSignUpLetterADay: however often an address is signed up, it gets one
// letter a day, and the first form is the one that counts.
func TestOneSignUpLetterADay(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				f := form("zoe@example.org", "product")
				f.Network = fmt.Sprint("net ", i)
				if err := s.SignUp(ctx, f); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := letterCount(t, s.Store, "zoe@example.org", store.WriteSignUp); n != 1 {
			t.Fatalf("%d letters were written", n)
		}
		s.at = s.at.Add(store.SignUpEvery - time.Minute)
		must(t, s.SignUp(ctx, form("zoe@example.org", "events")))
		if n := letterCount(t, s.Store, "zoe@example.org", store.WriteSignUp); n != 1 {
			t.Fatalf("%d letters within a day", n)
		}
		s.at = s.at.Add(2 * time.Minute)
		must(t, s.SignUp(ctx, form("zoe@example.org", "events")))
		if n := letterCount(t, s.Store, "zoe@example.org", store.WriteSignUp); n != 2 {
			t.Fatalf("%d letters after a day", n)
		}
	})
}

// TestSignUpsAreCapped: by network, and over all; the next hour takes more.
func TestSignUpsAreCapped(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		for i := range store.SignUpsOfNetwork {
			must(t, s.SignUp(ctx, form(fmt.Sprintf("a%d@example.org", i), "product")))
		}
		if err := s.SignUp(ctx, form("b@example.org", "product")); !errors.Is(err, store.ErrTooMany) {
			t.Fatalf("one more gave %v", err)
		}
		if n := letterCount(t, s.Store, "b@example.org", store.WriteSignUp); n != 0 {
			t.Fatal("a refused form has a letter")
		}
		other := form("c@example.org", "product")
		other.Network = "elsewhere"
		must(t, s.SignUp(ctx, other))
		must(t, s.Do(ctx, fmt.Sprintf(`UPDATE signup_count SET n = %d WHERE network = ''`, store.SignUpsAnHour)))
		other.Email, other.Network = "d@example.org", ""
		if err := s.SignUp(ctx, other); !errors.Is(err, store.ErrTooMany) {
			t.Fatalf("over the cap of all a form gave %v", err)
		}
		s.at = s.at.Add(time.Hour)
		must(t, s.SignUp(ctx, form("b@example.org", "product")))
	})
}

// TestSignUpRunsOut: after its time the link says so, and what was asked for is
// forgotten.
func TestSignUpRunsOut(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		l, u := signedUp(t, s.Store, form("zoe@example.org", "product"))
		s.at = s.at.Add(store.SignUpFor + time.Second)
		if _, err := s.ConfirmSignUp(ctx, l, store.Click{}); !errors.Is(err, store.ErrState) {
			t.Errorf("a late click gave %v", err)
		}
		if n, err := s.ExpireSignUps(ctx); n != 1 || err != nil {
			t.Fatalf("ended %d, %v", n, err)
		}
		after, err := s.SignUpOf(ctx, l)
		must(t, err)
		if !after.Expired || after.Email != "" || stateOf(t, s.Store, u.Key).Encode() != "{}" {
			t.Errorf("after its time it is %+v", after)
		}
		if _, err := s.ConfirmSignUp(ctx, l, store.Click{}); !errors.Is(err, store.ErrState) {
			t.Errorf("a late click gave %v", err)
		}
		clean(t, s.Store)
	})
}

// TestAnErasureTakesASignUpWithIt: who asks to be deleted while a form of theirs
// waits is not brought back by it.
func TestAnErasureTakesASignUpWithIt(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		l, _ := signedUp(t, s.Store, form("ann@example.com", "events"))
		id, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: "ann@example.com", Mailbox: "desk"})
		must(t, err)
		c, err := s.Case(ctx, id)
		must(t, err)
		c = click(t, s.Store, c)
		_, err = s.EraseOne(ctx, c.ID)
		must(t, err)
		if _, err := s.ConfirmSignUp(ctx, l, store.Click{}); !errors.Is(err, store.ErrBusy) {
			t.Errorf("a click while the erasure is under way gave %v", err)
		}
		must(t, s.Erase(ctx, c.ID))
		if _, err := s.ConfirmSignUp(ctx, l, store.Click{}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a click after the erasure gave %v", err)
		}
		if stateOf(t, s.Store, key).Erased == 0 {
			t.Error("the erasure does not hold")
		}
		clean(t, s.Store)
	})
}

// TestSignUpRefuses: what is no address or no name is refused, field by field.
func TestSignUpRefuses(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		for _, one := range []struct {
			change func(*store.SignUp)
			want   store.Flaw
		}{
			{func(f *store.SignUp) { f.Email = " " }, store.Flaw{Field: "email", Why: store.FlawMissing}},
			{func(f *store.SignUp) { f.Email = "ann" }, store.Flaw{Field: "email", Why: store.FlawAddress}},
			{func(f *store.SignUp) { f.Email = "ann@example.com\r\nBcc: x@example.com" }, store.Flaw{Field: "email", Why: store.FlawAddress}},
			{func(f *store.SignUp) { f.Email = "a@" + strings.Repeat("x.", 130) + "example" }, store.Flaw{Field: "email", Why: store.FlawAddress}},
			{func(f *store.SignUp) { f.Email = "аnn@example.com" }, store.Flaw{Field: "email", Why: store.FlawLookalike}},
			{func(f *store.SignUp) { f.FirstName = "win at evil.example" }, store.Flaw{Field: "first_name", Why: store.FlawSigns}},
			{func(f *store.SignUp) { f.LastName = "<b>Ann</b>" }, store.Flaw{Field: "last_name", Why: store.FlawSigns}},
			{func(f *store.SignUp) { f.FirstName = "{{ email }}" }, store.Flaw{Field: "first_name", Why: store.FlawSigns}},
			{func(f *store.SignUp) { f.Company = "see https://evil.example" }, store.Flaw{Field: "company", Why: store.FlawSigns}},
			{func(f *store.SignUp) { f.LastName = strings.Repeat("x", 101) }, store.Flaw{Field: "last_name", Why: store.FlawLong}},
			{func(f *store.SignUp) { f.Topics = nil }, store.Flaw{Field: "topics", Why: store.FlawMissing}},
			{func(f *store.SignUp) { f.Topics = []string{"nosuch"} }, store.Flaw{Field: "topics", Why: store.FlawUnknown}},
		} {
			f := form("zoe@example.org", "product")
			one.change(&f)
			var flaws store.Flaws
			if err := s.SignUp(context.Background(), f); !errors.As(err, &flaws) || len(flaws) != 1 || flaws[0] != one.want {
				t.Errorf("%+v gave %v, want %v", f.Contact, err, one.want)
			}
		}
		f := form("zoe@example.org", "product")
		f.FirstName, f.LastName, f.Company = "J. R.", "O’Brien-Smith Jr.", "Example.com Ltd & Sons"
		must(t, s.SignUp(context.Background(), f))
	})
}

// TestNetworksAreHashed: neighbours share a network, and nothing of it can be read.
func TestNetworksAreHashed(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		network := func(text string) string { return s.Network(netip.MustParseAddr(text)) }
		if network("192.0.2.1") != network("::ffff:192.0.2.200") || network("192.0.2.1") == network("192.0.3.1") ||
			network("2001:db8::1") != network("2001:db8::ffff") || network("2001:db8::1") == network("2001:db8:0:1::1") {
			t.Error("networks are not told apart as they should be")
		}
		if strings.Contains(network("192.0.2.1"), "192") || s.Network(netip.Addr{}) == "" {
			t.Errorf("a network is named %s", network("192.0.2.1"))
		}
	})
}

// TestRegistrationIsConfirmedOnce: a hundred triggers at once give one letter, also
// to somebody who opted out; nobody who was erased or restricted gets one.
func TestRegistrationIsConfirmedOnce(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		_, err := s.OptOut(ctx, store.OptOut{Key: key, Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		before := stateOf(t, s.Store, key).Encode()
		var all sync.WaitGroup
		var mu sync.Mutex
		sent := 0
		for range 100 {
			all.Go(func() {
				r, err := s.RegisterAccount(ctx, store.Contact{Email: "ann@example.com", ExternalID: "acc-1"})
				mu.Lock()
				defer mu.Unlock()
				if err != nil || r.Sent == r.Already {
					t.Errorf("gave %+v, %v", r, err)
				}
				if r.Sent {
					sent++
				}
			})
		}
		all.Wait()
		if n := letterCount(t, s.Store, "ann@example.com", store.WriteRegistered); sent != 1 || n != 1 {
			t.Fatalf("%d were sent, %d letters", sent, n)
		}
		if after := stateOf(t, s.Store, key).Encode(); after != before {
			t.Errorf("registering changed choices: %s", after)
		}
		id, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseRectification, Email: "ann@example.com", Mailbox: "desk"})
		must(t, err)
		must(t, s.Restrict(ctx, "ann@example.com", store.Decision{Case: id, By: "kim", Reason: "asked"}))
		if r, err := s.RegisterAccount(ctx, store.Contact{Email: "ann@example.com", ExternalID: "acc-2"}); err != nil || r.Refused != consent.Restricted || r.Sent {
			t.Errorf("somebody restricted gave %+v, %v", r, err)
		}
		if _, err := s.RegisterAccount(ctx, store.Contact{Email: "ann@example.com"}); !errors.Is(err, store.ErrAccount) {
			t.Errorf("without an account it gave %v", err)
		}
		clean(t, s.Store)
	})
}
