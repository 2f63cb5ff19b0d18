package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heed/consent"
	"heed/store"
)

// clicks presses the button behind one half of a change of address.
func clicks(t *testing.T, s *store.Store, c store.AddressChange, key consent.Key) store.AddressChange {
	t.Helper()
	link, err := s.Keys().Links.Open(s.Half(c, key))
	must(t, err)
	after, err := s.ConfirmMove(context.Background(), link)
	must(t, err)
	return after
}

// moved changes an address, with both clicks.
func moved(t *testing.T, s *store.Store, from, to string) store.AddressChange {
	t.Helper()
	c, err := s.MoveContact(context.Background(), from, to, 0, "kim")
	must(t, err)
	if half := clicks(t, s, c, c.New); half.State != "waiting" {
		t.Fatalf("after one click the change is %s", half.State)
	}
	return clicks(t, s, c, c.Old)
}

func stateOf(t *testing.T, s *store.Store, key consent.Key) consent.State {
	t.Helper()
	state, err := s.State(context.Background(), key)
	must(t, err)
	return state
}

// TestChangeOfAddressTakesBothMailboxes: one click changes nothing, two do, and
// what was chosen goes along.
func TestChangeOfAddressTakesBothMailboxes(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, old := context.Background(), ann(t, s.Store)
		id := campaign(t, s.Store)
		_, err := s.OptOut(ctx, store.OptOut{Key: old, Scope: consent.TopicScope(2), Via: consent.ViaPage})
		must(t, err)
		c, err := s.MoveContact(ctx, "ann@example.com", "ann@example.org", 0, "kim")
		must(t, err)
		for range 2 {
			if half := clicks(t, s.Store, c, old); half.State != "waiting" || half.OldClicked.IsZero() || !half.NewClicked.IsZero() {
				t.Fatalf("after one click the change is %+v", half)
			}
		}
		if p, known, _ := s.PersonByKey(ctx, old); !known || p.Email != "ann@example.com" {
			t.Fatal("one click changed the address")
		}
		done := clicks(t, s.Store, c, c.New)
		p, known, err := s.PersonByKey(ctx, c.New)
		must(t, err)
		if done.State != "done" || !known || p.Email != "ann@example.org" || p.FirstName != "Canary-First" {
			t.Fatalf("after both clicks the change is %+v, the person %+v", done, p)
		}
		if _, still, _ := s.PersonByKey(ctx, old); still {
			t.Error("somebody is still stored under the old address")
		}
		state := stateOf(t, s.Store, c.New)
		if state.Topics[1].Choice != consent.In || state.Topics[2].Choice != consent.Out || state.Sharing.Choice != consent.In || stateOf(t, s.Store, old).Dead == 0 {
			t.Errorf("the new key's state is %s, the old one's %s", state.Encode(), stateOf(t, s.Store, old).Encode())
		}
		if v, err := desk(t, s.Store, "w").Claim(ctx, store.Ask{Campaign: id, Address: c.New}); err != nil || !v.Granted {
			t.Errorf("what waited for her gave %+v, %v", v, err)
		}
		clicks(t, s.Store, c, old)
		clean(t, s.Store)
	})
}

// TestANoCountsForBothAddresses: an old link still stops what goes to the new
// address, and the other way round; a hold is a hold on both.
func TestANoCountsForBothAddresses(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, old := context.Background(), ann(t, s.Store)
		fresh := moved(t, s.Store, "ann@example.com", "ann@example.org").New
		third := moved(t, s.Store, "ann@example.org", "ann@example.net").New
		stopped, err := s.OptOut(ctx, store.OptOut{Key: old, Topic: 1, Via: consent.ViaOneClick})
		must(t, err)
		for _, key := range []consent.Key{old, fresh, third} {
			if mark := stateOf(t, s.Store, key).Topics[1]; stopped.Already || mark.Choice != consent.Out {
				t.Errorf("after the old link %s has %+v", key, mark)
			}
		}
		if again, err := s.OptOut(ctx, store.OptOut{Key: third, Scope: consent.TopicScope(1), Via: consent.ViaOneClick}); err != nil || !again.Already {
			t.Errorf("once more gave %+v, %v", again, err)
		}
		id, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseComplaint, Email: "ann@example.net", Mailbox: "desk"})
		must(t, err)
		if !isOnHold(t, s.Store, old) || !isOnHold(t, s.Store, third) {
			t.Error("a hold on the new address holds not the old one")
		}
		_, err = s.Resolve(ctx, id, store.Resolution{Outcome: "settled", Quiet: true, By: "kim"})
		must(t, err)
		if isOnHold(t, s.Store, old) || isOnHold(t, s.Store, third) {
			t.Error("the hold was not lifted on both")
		}
		_, err = s.RecordMail(ctx, asks(consent.KindErasure, "ann@example.com", "d1"))
		must(t, err)
		c := theCase(t, s.Store, third)
		if c.Kind != consent.CaseErasure || c.State != consent.CaseWaiting {
			t.Fatalf("a mail from the old address made the case %+v", c)
		}
		must(t, s.Erase(ctx, click(t, s.Store, c).ID))
		for _, key := range []consent.Key{old, fresh, third} {
			if stateOf(t, s.Store, key).Erased == 0 {
				t.Errorf("%s is not erased", key)
			}
		}
		clean(t, s.Store)
	})
}

// TestChangeOfAddressRefuses what would put two people together, or what nobody
// asked for.
func TestChangeOfAddressRefuses(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, old := context.Background(), ann(t, s.Store)
		people(t, s.Store, 2)
		for to, want := range map[string]error{"p0@example.com": store.ErrTaken, "ann@example.com": store.ErrRefused, "nonsense": consent.ErrAddress} {
			if _, err := s.MoveContact(ctx, "ann@example.com", to, 0, "kim"); !errors.Is(err, want) {
				t.Errorf("a change to %s gave %v", to, err)
			}
		}
		if _, err := s.MoveContact(ctx, "nobody@example.com", "n@example.org", 0, "kim"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a change of nobody gave %v", err)
		}
		c, err := s.MoveContact(ctx, "ann@example.com", "late@example.org", 0, "kim")
		must(t, err)
		clicks(t, s.Store, c, c.New)
		start := s.at
		s.at = s.at.Add(store.ChangeFor + time.Minute)
		link, err := s.Keys().Links.Open(s.Half(c, old))
		must(t, err)
		if _, err := s.ConfirmMove(ctx, link); !errors.Is(err, store.ErrState) {
			t.Errorf("a click that came too late gave %v", err)
		}
		s.at = start
		c, err = s.MoveContact(ctx, "ann@example.com", "soon@example.org", 0, "kim")
		must(t, err)
		clicks(t, s.Store, c, c.New)
		_, err = s.Import(ctx, []store.Contact{{Row: 2, Email: "soon@example.org"}}, "test", false)
		must(t, err)
		if done := clicks(t, s.Store, c, old); done.State != "dropped" {
			t.Errorf("with somebody else there the change is %s", done.State)
		}
		if _, known, _ := s.PersonByKey(ctx, old); !known || theCase(t, s.Store, old).Kind != consent.CaseReview {
			t.Error("the person moved all the same, or nobody looks at it")
		}
		clean(t, s.Store)
	})
}

// saysNo tells whether what is on record refuses a message, rather than lacking
// a yes.
func saysNo(r consent.Reason) bool {
	return r == consent.OptedOut || r == consent.Suppressed || r == consent.OnHold || r == consent.Restricted
}

// TestNoYesAppearsOnAKeyThatSaidNo changes addresses between random states: no
// message that either address refused is allowed afterwards, and what the old
// one got, and the new one never refused, the new one gets.
func TestNoYesAppearsOnAKeyThatSaidNo(t *testing.T) {
	s := opened(t, store.Options{URL: "sqlite:" + t.TempDir() + "/heed.db", Keys: t.TempDir()})
	must(t, s.SyncTopics(context.Background(), []store.Named{{ID: "product", Name: "Product news"}, {ID: "events", Name: "Events"}}, nil))
	messages := []consent.Message{{Class: consent.Newsletter, Topic: 1}, {Class: consent.Newsletter, Topic: 2}, {Class: consent.PartnerOffer}, {Class: consent.Alert}}
	decide := func(state consent.State) (all []consent.Reason) {
		for _, m := range messages {
			all = append(all, consent.Decide(consent.Person{State: state, Holds: true}, m, consent.Policy{}))
		}
		return all
	}
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		from, to := fmt.Sprintf("a%d@example.com", n), fmt.Sprintf("b%d@example.org", n)
		person(t, r, s, from, true)
		person(t, r, s, to, false)
		old, fresh := keyOf(t, s, from), keyOf(t, s, to)
		chosen := stateOf(t, s, old).Topics
		before, after := decide(stateOf(t, s, old)), decide(stateOf(t, s, fresh))
		shared := stateOf(t, s, old).Sharing.Choice == consent.Out || stateOf(t, s, fresh).Sharing.Choice == consent.Out
		if done := moved(t, s, from, to); done.State != "done" {
			r.Fatalf("the change is %+v", done)
		}
		now, then := stateOf(t, s, fresh), stateOf(t, s, old)
		for i, reason := range decide(now) {
			if (saysNo(before[i]) || saysNo(after[i])) && (reason == "" || decide(then)[i] == "") {
				r.Fatalf("%v was refused (%s, %s) and is now allowed: %s, %s", messages[i], before[i], after[i], now.Encode(), then.Encode())
			}
			if before[i] == "" && !saysNo(after[i]) && reason != "" && chosen[messages[i].Topic].Choice == consent.In {
				r.Fatalf("%v was allowed and is now %s: %s", messages[i], reason, now.Encode())
			}
		}
		if shared && now.Sharing.Choice == consent.In {
			r.Fatalf("sharing was refused and is now allowed: %s", now.Encode())
		}
	})
	clean(t, s)
}

// person gives an address a random history; stored ones have a profile.
func person(t *testing.T, r *rapid.T, s *store.Store, email string, stored bool) {
	t.Helper()
	ctx, key := context.Background(), keyOf(t, s, email)
	if stored {
		c := store.Contact{Row: 2, Email: email, PartnerOffers: rapid.Bool().Draw(r, "offers"), Sharing: rapid.Bool().Draw(r, "shares"),
			ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}
		if topics := rapid.IntRange(0, 2).Draw(r, "topics"); topics > 0 {
			c.Topics = []string{"product", "events"}[:topics]
		}
		_, err := s.Import(ctx, []store.Contact{c}, "test", false)
		must(t, err)
	}
	for range rapid.IntRange(0, 3).Draw(r, "acts") {
		scope := rapid.SampledFrom([]consent.Scope{consent.ScopeMarketing, consent.ScopePartner, consent.ScopeSharing, "topic:1", "topic:2", consent.ScopeSuppressed, "yes"}).Draw(r, "scope")
		switch {
		case scope == consent.ScopeSuppressed:
			_, _, err := s.Suppress(ctx, []store.Suppression{{Row: 2, Email: email, Scope: "all", At: time.Now(), Source: "list"}})
			must(t, err)
		case scope == "yes":
			must(t, s.OwnYes(ctx, key, consent.TopicScope(rapid.IntRange(1, 2).Draw(r, "topic"))))
		default:
			_, err := s.OptOut(ctx, store.OptOut{Key: key, Scope: scope, Via: consent.ViaPage})
			must(t, err)
		}
	}
	if rapid.Bool().Draw(r, "held") && strings.HasPrefix(email, "a") {
		_, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseComplaint, Email: email, Mailbox: "desk"})
		must(t, err)
	}
}

// TestOptOutDuringAChangeOfAddress: whichever of the two is committed first, the
// no counts for both addresses.
func TestOptOutDuringAChangeOfAddress(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		people(t, s.Store, 12)
		for i := range 12 {
			from, to := fmt.Sprintf("p%d@example.com", i), fmt.Sprintf("p%d@example.org", i)
			c, err := s.MoveContact(ctx, from, to, 0, "kim")
			must(t, err)
			clicks(t, s.Store, c, c.New)
			link, err := s.Keys().Links.Open(s.Half(c, c.Old))
			must(t, err)
			said := c.Old
			if i%2 == 1 {
				said = c.New
			}
			both := make(chan error, 2)
			go func() {
				_, err := s.ConfirmMove(ctx, link)
				both <- err
			}()
			go func() {
				_, err := s.OptOut(ctx, store.OptOut{Key: said, Scope: consent.ScopeMarketing, Via: consent.ViaPage})
				both <- err
			}()
			must(t, <-both)
			must(t, <-both)
			for _, key := range []consent.Key{c.Old, c.New} {
				if state := stateOf(t, s.Store, key); state.Marketing.Choice != consent.Out || state.Topics[1].Choice == consent.In {
					t.Errorf("%d: after a no under %s, %s has %s", i, said, key, state.Encode())
				}
			}
		}
		clean(t, s.Store)
	})
}

// TestNobodyMovesAwayFromTheirErasure: an erasure that is under way finds its
// person where they were.
func TestNobodyMovesAwayFromTheirErasure(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx, s := context.Background(), opened(t, o)
		id := haunt(t, s)
		c, err := s.MoveContact(ctx, ghost+"@example.com", "away@example.com", 0, "kim")
		must(t, err)
		_, err = s.EraseOne(ctx, id)
		must(t, err)
		clicks(t, s, c, c.New)
		if done := clicks(t, s, c, c.Old); done.State != "dropped" {
			t.Errorf("during the erasure the change of address is %s", done.State)
		}
		if _, err := s.MoveContact(ctx, ghost+"@example.com", "away@example.com", 0, "kim"); !errors.Is(err, store.ErrRefused) {
			t.Errorf("during the erasure another one gives %v", err)
		}
		must(t, s.Erase(ctx, id))
		answers(t, s, id)
		gone(t, s, id)
	})
}
