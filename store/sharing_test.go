package store_test

import (
	"context"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// sharers stores people who agreed to sharing, and opens the store with two
// partners.
func sharers(t *testing.T, o store.Options, names ...string) *store.Store {
	t.Helper()
	o.Plan.Partners = []store.System{{ID: "acme", Name: "Acme"}, {ID: "beta", Name: "Beta"}}
	s := opened(t, o)
	var all []store.Contact
	for i, name := range names {
		all = append(all, store.Contact{Row: i + 2, Email: name + "@example.com", FirstName: "First", Sharing: true, Services: []string{"files"},
			ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes", ExternalID: "x-" + name})
	}
	all = append(all, store.Contact{Row: 99, Email: "private@example.com", Topics: []string{"product"}, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
	_, err := s.Import(context.Background(), all, "", false)
	must(t, err)
	return s
}

// feed reads who is shared with a partner.
func feed(t *testing.T, s *store.Store, partner string) (emails []string) {
	t.Helper()
	for after := int64(0); ; {
		page, last, err := s.FeedPage(context.Background(), partner, after, 2)
		must(t, err)
		for _, one := range page {
			emails = append(emails, one.Email)
		}
		if after = last; last == 0 {
			return emails
		}
	}
}

// TestTheFeedIsOfThoseWhoAgree: a yes puts somebody in; a no, a hold, a
// restriction, a dead address and a suppression each take them out with their
// commit, and the partner who has them is told.
func TestTheFeedIsOfThoseWhoAgree(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		s := sharers(t, o, "ann", "ben", "cy", "di", "eve", "flo")
		if all := feed(t, s, "acme"); len(all) != 6 {
			t.Fatalf("the feed has %v", all)
		}
		key := func(name string) consent.Key { return keyOf(t, s, name+"@example.com") }
		_, err := s.OptOut(ctx, store.OptOut{Key: key("ann"), Scope: consent.ScopeSharing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		_, err = s.OpenCase(ctx, store.Report{Kind: consent.CaseAccess, Email: "ben@example.com", Mailbox: "desk", By: "staff"})
		must(t, err)
		restricting, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseRectification, Email: "cy@example.com", Mailbox: "desk", By: "staff"})
		must(t, err)
		must(t, s.Restrict(ctx, "cy@example.com", store.Decision{Case: restricting, Reason: "wrong", By: "staff"}))
		_, _, err = s.Suppress(ctx, []store.Suppression{{Email: "di@example.com", Scope: "all"}})
		must(t, err)
		_, err = s.OptOut(ctx, store.OptOut{Key: key("eve"), Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		if all := feed(t, s, "acme"); len(all) != 2 || all[0] != "eve@example.com" || all[1] != "flo@example.com" {
			t.Errorf("the feed has %v", all)
		}
		notices, err := s.OutsideNotices(ctx, true)
		must(t, err)
		told := map[string]int{}
		for _, n := range notices {
			told[n.Address]++
			if _, who, err := s.Outside(ctx, n.ID); err != nil || who.Email == "" || n.Party != "acme" || n.Kind != store.OutsideSharing {
				t.Errorf("notice %+v about %+v, %v", n, who, err)
			}
		}
		for _, name := range []string{"ann", "ben", "cy", "di"} {
			if told[key(name).String()] != 1 {
				t.Errorf("acme was told of %s %d times", name, told[key(name).String()])
			}
		}
		if n, err := s.SharedCount(ctx, "beta"); err != nil || n != 0 || len(notices) != 4 {
			t.Errorf("beta has %d and there are %d notices, %v", n, len(notices), err)
		}
		clean(t, s)
	})
}

// TestAFeedKnowsHowOldItIs: from the ledger's row until a file of that version
// is written.
func TestAFeedKnowsHowOldItIs(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		at := &moment{at: time.Now()}
		o.Now = at.now
		s := sharers(t, o, "ann", "ben")
		f, err := s.FeedOf(ctx, "acme")
		must(t, err)
		if !f.Old() {
			t.Error("a feed that was never built is not old")
		}
		must(t, s.FeedBuilt(ctx, "acme", f.Version, 2))
		if f, err = s.FeedOf(ctx, "acme"); err != nil || f.Old() || f.People != 2 {
			t.Errorf("after it was built: %+v, %v", f, err)
		}
		stop := func(name string) {
			_, err := s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, name+"@example.com"), Scope: consent.ScopeSharing, Via: consent.ViaPage, Authenticated: true})
			must(t, err)
		}
		stop("ann")
		first := at.now()
		read, err := s.FeedOf(ctx, "acme")
		must(t, err)
		at.pass(time.Second)
		stop("ben") // while the file is being written
		must(t, s.FeedBuilt(ctx, "acme", read.Version, 1))
		if f, err = s.FeedOf(ctx, "acme"); err != nil || !f.Old() || first.Sub(f.Since).Abs() > time.Millisecond {
			t.Errorf("a file that lacks the last withdrawal is %+v, %v", f, err)
		}
		late, err := s.LateFeeds(ctx)
		must(t, err)
		if len(late) != 0 {
			t.Errorf("late at once: %v", late)
		}
		at.pass(store.FeedPatience)
		if late, err = s.LateFeeds(ctx); err != nil || len(late) != 1 || late[0] != "partner acme" {
			t.Errorf("late are %v, %v", late, err)
		}
		must(t, s.FeedBuilt(ctx, "acme", f.Version, 0))
		if f, err = s.FeedOf(ctx, "acme"); err != nil || f.Old() {
			t.Errorf("at last: %+v, %v", f, err)
		}
		// What changes nothing about sharing makes no file old.
		_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "private@example.com"), Topic: 1, Via: consent.ViaOneClick, Authenticated: true})
		must(t, err)
		if f, err = s.FeedOf(ctx, "acme"); err != nil || f.Old() {
			t.Errorf("after an opt-out of a newsletter: %+v, %v", f, err)
		}
	})
}

// TestASilentPartnerRings: after three days, until it is heard or staff heard it.
func TestASilentPartnerRings(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		at := &moment{at: time.Now()}
		o.Now = at.now
		s := sharers(t, o, "ann")
		feed(t, s, "acme")
		_, err := s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, "ann@example.com"), Scope: consent.ScopeSharing, Via: consent.ViaPage, Authenticated: true})
		must(t, err)
		notices, err := s.OutsideNotices(ctx, true)
		must(t, err)
		must(t, s.OutsideUnanswered(ctx, notices[0], true))
		at.pass(71 * time.Hour)
		silent, err := s.SilentPartners(ctx)
		must(t, err)
		at.pass(2 * time.Hour)
		later, err := s.SilentPartners(ctx)
		must(t, err)
		if len(silent) != 0 || len(later) != 1 {
			t.Errorf("silent after 71 hours %v, after 73 %v", silent, later)
		}
		must(t, s.Acknowledged(ctx, notices[0].ID, "staff"))
		if later, err = s.SilentPartners(ctx); err != nil || len(later) != 0 {
			t.Errorf("silent after the answer %v, %v", later, err)
		}
		if _, who, err := s.Outside(ctx, notices[0].ID); err != nil || who.Email != "" {
			t.Errorf("after the answer the notice knows %q, %v", who.Email, err)
		}
	})
}

// TestACheckOfAServiceEndsNothingByItself: the reader's word begins it, the
// product's or staff's ends it.
func TestACheckOfAServiceEndsNothingByItself(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		at := &moment{at: time.Now()}
		o.Now, o.Plan.Products = at.now, []store.System{{ID: "shop", Name: "Shop"}}
		s := sharers(t, o, "ann", "ben")
		link := func(name string) consent.Link {
			return consent.Link{Purpose: consent.PurposeUnused, Address: keyOf(t, s, name+"@example.com"), Scope: 1}
		}
		if _, holds, err := s.Question(ctx, link("private")); err != nil || holds {
			t.Errorf("somebody who holds nothing: %v, %v", holds, err)
		}
		first, holds, err := s.Question(ctx, link("ann"))
		must(t, err)
		again, _, err := s.Question(ctx, link("ann"))
		must(t, err)
		if !holds || first.ID == 0 || again.ID != first.ID || first.Service.ID != "files" {
			t.Errorf("asked %+v, then %+v", first, again)
		}
		d := desk(t, s, "w1")
		if a, err := s.Account(ctx, alerted(t, s, d, "a", "ann")); err != nil || a.Accepted != 2 {
			t.Errorf("while it is checked: %+v, %v", a, err)
		}
		notices, err := s.OutsideNotices(ctx, true)
		must(t, err)
		if len(notices) != 1 || notices[0].Kind != store.OutsideService || notices[0].Party != "shop" || notices[0].About != first.ID {
			t.Errorf("the product is asked %+v", notices)
		}
		at.pass(73 * time.Hour)
		if keys, err := s.UncheckedServices(ctx); err != nil || len(keys) != 1 {
			t.Errorf("unchecked are %v, %v", keys, err)
		}
		must(t, s.Check(ctx, first.ID, true, "staff"))
		if a, err := s.Account(ctx, alerted(t, s, d, "b", "ann")); err != nil || a.Accepted != 1 || a.Audience != 1 {
			t.Errorf("afterwards: %+v, %v", a, err)
		}
		if open, err := s.OutsideNotices(ctx, true); err != nil || len(open) != 0 {
			t.Errorf("still asked: %+v, %v", open, err)
		}
		second, _, err := s.Question(ctx, link("ben"))
		must(t, err)
		must(t, s.Check(ctx, second.ID, false, ""))
		if a, err := s.Account(ctx, alerted(t, s, d, "c", "ann")); err != nil || a.Accepted != 1 {
			t.Errorf("who still uses it: %+v, %v", a, err)
		}
		clean(t, s)
	})
}
