package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// published posts a version.
func published(t *testing.T, s *store.Store, id string, material bool, purposes ...string) store.Version {
	t.Helper()
	p := store.Publication{PolicyVersion: consent.NewPolicyVersion(id, []byte("text of "+id)), Material: material}
	p.Purposes = purposes
	v, err := s.PublishPolicy(context.Background(), p)
	must(t, err)
	return v
}

func inForce(t *testing.T, s *store.Store) string {
	t.Helper()
	v, _, err := s.PolicyNow(context.Background())
	must(t, err)
	return v.ID
}

// TestAMaterialVersionWaitsThirtyDays: on day 29 the old one holds, on day 30 the
// new one; no choice of anybody changes by it, and old yeses stay under the old
// version.
func TestAMaterialVersionWaitsThirtyDays(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		before := stateOf(t, s.Store, key).Encode()
		v := published(t, s.Store, "2026-02", true, "news", "research")
		if v.State != "announced" || !v.Effective.Equal(v.Posted.Add(30*24*time.Hour)) {
			t.Fatalf("published %+v", v)
		}
		s.at = s.at.AddDate(0, 0, 29)
		if ids, err := s.ActivatePolicy(ctx); len(ids) != 0 || err != nil || inForce(t, s.Store) != "2026-01" {
			t.Fatalf("on day 29 %v came into force, %v", ids, err)
		}
		s.at = s.at.AddDate(0, 0, 1)
		if ids, err := s.ActivatePolicy(ctx); !slices.Equal(ids, []string{"2026-02"}) || err != nil || inForce(t, s.Store) != "2026-02" {
			t.Fatalf("on day 30 %v came into force, %v", ids, err)
		}
		if ids, err := s.ActivatePolicy(ctx); len(ids) != 0 || err != nil {
			t.Fatalf("once more %v came into force, %v", ids, err)
		}
		if after := stateOf(t, s.Store, key).Encode(); after != before || stateOf(t, s.Store, key).Topics[1].Policy != "2026-01" {
			t.Errorf("the state is %s, was %s", after, before)
		}
		l, u := signedUp(t, s.Store, form("zoe@example.org", "product"))
		_, err := s.ConfirmSignUp(ctx, l, store.Click{})
		must(t, err)
		if got := stateOf(t, s.Store, u.Key).Topics[1].Policy; got != "2026-02" {
			t.Errorf("who signs up now agrees to %s", got)
		}
		clean(t, s.Store)
	})
}

// TestPublishRefuses: an id twice, a purpose that comes in without notice, two
// announcements, a text without words; what is announced can be taken back.
func TestPublishRefuses(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		try := func(id, text string, material bool, purposes ...string) error {
			p := store.Publication{PolicyVersion: consent.NewPolicyVersion(id, []byte(text)), Material: material}
			p.Purposes = purposes
			_, err := s.PublishPolicy(ctx, p)
			return err
		}
		for name, err := range map[string]error{"the same id": try("2026-01", "other", true), "no text": try("2026-02", "", true), "an id with blanks": try("20 26", "x", true),
			"a new purpose without notice": try("2026-02", "x", false, "research"), "a purpose with blanks": try("2026-02", "x", true, "re search")} {
			if !errors.Is(err, store.ErrRefused) {
				t.Errorf("%s gave %v", name, err)
			}
		}
		published(t, s.Store, "2026-02", true, "news")
		if err := try("2026-03", "x", true, "news"); !errors.Is(err, store.ErrRefused) {
			t.Errorf("a second announcement gave %v", err)
		}
		if v := published(t, s.Store, "2026-01b", false); v.State != "in_force" || inForce(t, s.Store) != "2026-01b" {
			t.Errorf("mended words are %+v", v)
		}
		must(t, s.WithdrawPolicy(ctx, "2026-02"))
		if err := s.WithdrawPolicy(ctx, "2026-01b"); !errors.Is(err, store.ErrRefused) {
			t.Errorf("taking back what is in force gave %v", err)
		}
		s.at = s.at.AddDate(0, 0, 40)
		if ids, err := s.ActivatePolicy(ctx); len(ids) != 0 || err != nil {
			t.Errorf("what was taken back came into force: %v, %v", ids, err)
		}
	})
}

// TestTheFirstVersionNeverChanges: under its id another text is refused when heed
// starts, and so is another id beside published versions.
func TestTheFirstVersionNeverChanges(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		o.Policy = consent.NewPolicyVersion("v1", []byte("one"))
		s := opened(t, o)
		published(t, s, "v2", true)
		must(t, s.Close())
		for _, p := range []consent.PolicyVersion{consent.NewPolicyVersion("v1", []byte("two")), consent.NewPolicyVersion("v3", []byte("one"))} {
			o.Policy = p
			if _, err := store.Open(ctx, o); !errors.Is(err, store.ErrPolicyChanged) {
				t.Errorf("%s with %q gave %v", p.ID, p.Text, err)
			}
		}
		o.Policy = consent.NewPolicyVersion("v1", []byte("one"))
		s, err := store.Open(ctx, o)
		must(t, err)
		must(t, s.Close())
	})
}

// TestAPurposeSkipsWhomTheirVersionDoesNotCover: in the estimate, in the fan-out and
// in the claim alike; who agrees anew is reached, and silence changes nothing.
func TestAPurposeSkipsWhomTheirVersionDoesNotCover(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		v := published(t, s.Store, "2026-02", true, "news", "research")
		s.at = s.at.Add(store.PolicyNotice)
		_, err := s.ActivatePolicy(ctx)
		must(t, err)
		research := store.Campaign{Name: "r", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all", Purpose: "research"}
		reason := func(c store.Campaign) (got consent.Reason) {
			must(t, s.Estimate(ctx, c, func(_ store.Person, r consent.Reason) { got = r }))
			return got
		}
		if got := reason(research); got != consent.PolicyReason {
			t.Fatalf("the estimate says %q", got)
		}
		plain := research
		plain.Purpose = ""
		if got := reason(plain); got != "" {
			t.Fatalf("without a purpose the estimate says %q", got)
		}
		skipped := started(t, s.Store, research)
		a, err := s.Account(ctx, skipped)
		must(t, err)
		if a.Skipped[consent.PolicyReason] != 1 {
			t.Fatalf("the account is %+v", a)
		}
		l, err := s.Keys().Links.Open(s.AgreeToken(key, v))
		must(t, err)
		scopes, err := s.Agree(ctx, l, store.Click{Wording: "Yes, I agree", Network: "home"})
		must(t, err)
		if len(scopes) != 3 || reason(research) != "" {
			t.Errorf("after agreeing to %v the estimate says %q", scopes, reason(research))
		}
		id := started(t, s.Store, research)
		if v, err := desk(t, s.Store, "w").Claim(ctx, store.Ask{Campaign: id, Address: key}); err != nil || !v.Granted {
			t.Errorf("the claim gave %+v, %v", v, err)
		}
		r, err := s.Held(ctx, key, 0)
		must(t, err)
		if last := r.Choices[len(r.Choices)-1]; last.Policy != "2026-02" || last.Via != "confirmed" || last.PolicyHash == "" {
			t.Errorf("the proof is %+v", last)
		}
		clean(t, s.Store)
	})
}

// started stores a campaign and writes its deliveries.
func started(t *testing.T, s *store.Store, c store.Campaign) int64 {
	t.Helper()
	ctx := context.Background()
	id, _, err := s.AddCampaign(ctx, c)
	must(t, err)
	for _, who := range []string{"ann", "bo"} {
		if c.NeedsTwo() {
			_, err = s.ApproveNotice(ctx, id, who, "")
			must(t, err)
		}
	}
	must(t, s.Start(ctx, id))
	for over := false; !over; {
		over, err = s.FanOut(ctx, id)
		must(t, err)
	}
	return id
}

// TestAPurposeIsAskedAgainAtTheClaim: whoever waits in a campaign whose purpose their
// version does not name is skipped there too, with the same reason.
func TestAPurposeIsAskedAgainAtTheClaim(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		id := campaign(t, s.Store)
		must(t, s.Do(ctx, `UPDATE campaign SET purpose = 'research'`))
		if v, err := desk(t, s.Store, "w").Claim(ctx, store.Ask{Campaign: id, Address: key}); err != nil || v.Skipped != consent.PolicyReason {
			t.Errorf("the claim gave %+v, %v", v, err)
		}
	})
}

// TestOneRequestForAVersion: who said yes to something is asked once, who agreed or
// gets nothing is not; a notice goes to everybody once, whatever they opted out of.
func TestOneRequestForAVersion(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: "ben@example.com"}, {Row: 3, Email: "eve@example.com", Topics: []string{"product"}, ConsentAt: s.at.Add(-time.Hour), ConsentSource: "f", ConsentText: "t"}}, "x", false)
		must(t, err)
		_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s.Store, "eve@example.com"), Scope: consent.ScopeMarketing, Via: consent.ViaOneClick, Authenticated: true})
		must(t, err)
		v := published(t, s.Store, "2026-02", true, "research")
		ask := store.Campaign{Name: "ask", Class: consent.ConsentRequest, Source: "x", Audience: "all", Policy: "2026-02"}
		tell := store.Campaign{Name: "tell", Class: consent.PolicyNotice, Source: "x", Audience: "all", Policy: "2026-02"}
		reasons := func(c store.Campaign) map[string]consent.Reason {
			all := map[string]consent.Reason{}
			must(t, s.Estimate(ctx, c, func(p store.Person, r consent.Reason) { all[p.Email] = r }))
			return all
		}
		if got := reasons(ask); got["ann@example.com"] != "" || got["ben@example.com"] != consent.NoConsent || got["eve@example.com"] != consent.OptedOut {
			t.Fatalf("who is asked: %v", got)
		}
		if got := reasons(tell); got["ann@example.com"] != "" || got["ben@example.com"] != "" || got["eve@example.com"] != "" {
			t.Fatalf("who is told: %v", got)
		}
		d := desk(t, s.Store, "w")
		for _, c := range []store.Campaign{ask, tell} {
			first := started(t, s.Store, c)
			stored, err := s.Campaign(ctx, first)
			must(t, err)
			if stored.Class != c.Class || stored.Policy != "2026-02" {
				t.Fatalf("stored %+v", stored)
			}
			got, err := d.Claim(ctx, store.Ask{Campaign: first, Address: key})
			must(t, err)
			if !got.Granted {
				t.Fatalf("%s: the first gave %+v", c.Class, got)
			}
			d.Finish(store.Result{Ask: store.Ask{Campaign: first, Address: key}, Token: got.Token, Outcome: store.Accepted, Code: 250, EndAt: s.at})
			must(t, d.Flush(ctx))
			second := started(t, s.Store, c)
			if got, err := d.Claim(ctx, store.Ask{Campaign: second, Address: key}); err != nil || got.Skipped != consent.Capped {
				t.Errorf("%s: a second about the same version gave %+v, %v", c.Class, got, err)
			}
			if r := reasons(c)["ann@example.com"]; r != consent.Capped {
				t.Errorf("%s: the estimate says %q", c.Class, r)
			}
		}
		l, err := s.Keys().Links.Open(s.AgreeToken(key, v))
		must(t, err)
		_, err = s.Agree(ctx, l, store.Click{})
		must(t, err)
		if r := reasons(ask)["ann@example.com"]; r != consent.PolicyReason {
			t.Errorf("who has agreed is asked: %q", r)
		}
		clean(t, s.Store)
	})
}

// TestOldStatesAreFoldedAnew: a database of an older heed, whose states do not know
// the versions, is brought up to date when it is opened.
func TestOldStatesAreFoldedAnew(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		o.Policy = consent.NewPolicyVersion("v1", []byte("one"))
		s := opened(t, o)
		people(t, s, 3)
		key := keyOf(t, s, "p1@example.com")
		now := stateOf(t, s, key)
		old := now
		old.Marketing.Policy = ""
		old.Topics = map[int]consent.Mark{}
		for topic, mark := range now.Topics {
			mark.Policy = ""
			old.Topics[topic] = mark
		}
		if old.Encode() == now.Encode() {
			t.Fatal("the state knows no version")
		}
		must(t, s.Do(ctx, `UPDATE address SET state = $1 WHERE key = $2`, old.Encode(), key.String()))
		must(t, s.Do(ctx, `DELETE FROM counter WHERE name = 'folding'`))
		must(t, s.Close())
		s, err := store.Open(ctx, o)
		must(t, err)
		defer s.Close()
		if after := stateOf(t, s, key); after.Encode() != now.Encode() {
			t.Errorf("the state is %s instead of %s", after.Encode(), now.Encode())
		}
		clean(t, s)
	})
}

// TestAnImportIsUnderTheVersionOfItsTime: a consent that a list brings counts for the
// version that was in force when it was given.
func TestAnImportIsUnderTheVersionOfItsTime(t *testing.T) {
	at := time.Now()
	s := storetest.OpenWith(t, func(o *store.Options) { o.Now = func() time.Time { return at } })
	ctx := context.Background()
	began := at
	published(t, s, "2026-02", true, "research")
	at = at.Add(store.PolicyNotice)
	_, err := s.ActivatePolicy(ctx)
	must(t, err)
	at = at.Add(time.Hour)
	for email, given := range map[string]time.Time{"old@example.com": began.Add(-time.Hour), "mid@example.com": began.Add(time.Hour), "new@example.com": at.Add(-time.Minute)} {
		_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: email, Topics: []string{"product"}, ConsentAt: given, ConsentSource: "f", ConsentText: "t"}}, "x", false)
		must(t, err)
		want := "2026-01"
		if email == "new@example.com" {
			want = "2026-02"
		}
		if got := stateOf(t, s, keyOf(t, s, email)).Topics[1].Policy; got != want {
			t.Errorf("%s is under %s", email, got)
		}
	}
}

// TestWelcome: a first yes by one's own click brings the welcome of its topic once,
// for ever; who opted out in between gets none.
func TestWelcome(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx := context.Background()
		must(t, s.SyncWelcomes(ctx, []store.Welcome{{Topic: 1, Name: "Welcome", Source: "text"}}))
		must(t, s.SyncWelcomes(ctx, []store.Welcome{{Topic: 1, Name: "Welcome", Source: "text"}}))
		all, err := s.Campaigns(ctx)
		must(t, err)
		if len(all) != 1 {
			t.Fatalf("there are %d campaigns", len(all))
		}
		id := all[0].ID
		key := keyOf(t, s.Store, "zoe@example.org")
		yes := func() {
			t.Helper()
			l, _ := signedUp(t, s.Store, form("zoe@example.org", "product", "events"))
			_, err := s.ConfirmSignUp(ctx, l, store.Click{})
			must(t, err)
			s.at = s.at.Add(store.SignUpEvery + time.Minute)
		}
		yes()
		a, err := s.Account(ctx, id)
		must(t, err)
		if a.Audience != 1 || a.Waiting != 1 {
			t.Fatalf("the account is %+v", a)
		}
		clean(t, s.Store)
		d := desk(t, s.Store, "w")
		v, err := d.Claim(ctx, store.Ask{Campaign: id, Address: key})
		must(t, err)
		if !v.Granted {
			t.Fatalf("the claim gave %+v", v)
		}
		d.Finish(store.Result{Ask: store.Ask{Campaign: id, Address: key}, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: s.at})
		must(t, d.Flush(ctx))
		for range 2 {
			_, err = s.OptOut(ctx, store.OptOut{Key: key, Scope: consent.ScopeMarketing, Via: consent.ViaPage, Authenticated: true})
			must(t, err)
			yes()
		}
		must(t, s.SyncWelcomes(ctx, []store.Welcome{{Topic: 1, Name: "Welcome", Source: "another text"}}))
		yes()
		if n, err := s.Count(ctx, "delivery"); n != 1 || err != nil {
			t.Errorf("%d were welcomed, %v", n, err)
		}
		l, u := signedUp(t, s.Store, form("eve@example.org", "product"))
		_, err = s.ConfirmSignUp(ctx, l, store.Click{})
		must(t, err)
		_, err = s.OptOut(ctx, store.OptOut{Key: u.Key, Topic: 1, Via: consent.ViaOneClick, Authenticated: true})
		must(t, err)
		all, err = s.Campaigns(ctx, "sending")
		must(t, err)
		newest := all[len(all)-1].ID
		if v, err := d.Claim(ctx, store.Ask{Campaign: newest, Address: u.Key}); err != nil || v.Skipped != consent.OptedOut {
			t.Errorf("who opted out in between gets %+v, %v", v, err)
		}
		clean(t, s.Store)
	})
}
