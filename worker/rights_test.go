package worker_test

import (
	"context"
	"strings"
	"testing"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
)

// TestRestrictedGetLettersAboutTheirRequestOnly: the letters of a case go out,
// the notice of an opt-out does not, and the restriction ends when the letter
// that says so has left.
func TestRestrictedGetLettersAboutTheirRequestOnly(t *testing.T) {
	b, ctx := newBench(t, mailertest.Options{}), context.Background()
	b.campaign(1)
	id, err := b.store.OpenCase(ctx, store.Report{Kind: consent.CaseComplaint, Email: "p0@example.org", Mailbox: "desk", By: "kim"})
	if err != nil {
		t.Fatal(err)
	}
	d := store.Decision{Case: id, Reason: "disputed", By: "kim"}
	if err := b.store.Restrict(ctx, "p0@example.org", d); err != nil {
		t.Fatal(err)
	}
	b.mailed(consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: "p0@example.org"})
	stop := b.start(nil)
	defer stop()
	_, text := body(t, b.letters(1)[0])
	if !strings.Contains(text, "restricted from now on") {
		t.Errorf("the letter says %s", text)
	}
	if err := b.store.Unrestrict(ctx, "p0@example.org", d, ""); err != nil {
		t.Fatal(err)
	}
	_, text = body(t, b.letters(2)[1])
	if !strings.Contains(text, "ends with this letter") || !strings.Contains(text, "disputed") {
		t.Errorf("the letter says %s", text)
	}
	key, _, err := b.store.Key("p0@example.org")
	if err != nil {
		t.Fatal(err)
	}
	b.holds("the restriction has ended", func() bool {
		state, err := b.store.State(ctx, key)
		return err == nil && state.Restricted == 0
	})
}

// TestWhereARequestStandsIsToldToItsOwnerAlone: what staff write to somebody on file
// leads to their request; to whoever is not on file, or writes for a child, it does
// not, or only to their own.
func TestWhereARequestStandsIsToldToItsOwnerAlone(t *testing.T) {
	b, ctx := newBench(t, mailertest.Options{}), context.Background()
	b.campaign(2)
	stop := b.start(nil)
	defer stop()
	ask := func(kind consent.CaseKind, from string) int64 {
		id, err := b.store.OpenCase(ctx, store.Report{Kind: kind, Email: from, Mailbox: "desk", By: "kim"})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	leads := func(text string) (to int64) {
		_, token, _ := strings.Cut(text, "/q/")
		if link, _, found := b.store.Keys().Links.FindToken(token); found {
			c, err := b.store.CaseOf(ctx, link)
			if err != nil {
				t.Fatal(err)
			}
			return c.ID
		}
		return 0
	}
	mine, guardians := ask(consent.CaseComplaint, "p0@example.org"), ask(consent.CaseGuardian, "p0@example.org")
	for i, tt := range []struct {
		write func() error
		to    string
		leads int64
	}{
		{func() error { _, err := b.store.Answer(ctx, mine, "we look at it", "kim"); return err }, "p0@example.org", mine},
		{func() error {
			b.mailed(consent.Request{Kind: consent.KindErasure, From: "stranger@example.net", Authenticated: true})
			return nil
		}, "stranger@example.net", 0},
		{func() error {
			return b.store.GuardianShow(ctx, store.GuardianAct{Case: guardians, Child: "p1@example.org", Evidence: "passport", By: "kim"})
		}, "p0@example.org", guardians},
	} {
		if err := tt.write(); err != nil {
			t.Fatal(err)
		}
		r := b.letters(i + 1)[i]
		if _, text := body(t, r); r.To != tt.to || leads(text) != tt.leads {
			t.Errorf("the letter to %s leads to request %d, want %d:\n%s", r.To, leads(text), tt.leads, text)
		}
	}
}

// TestBothMailboxesGetTheirOwnLink: each its own half, neither the other's
// address.
func TestBothMailboxesGetTheirOwnLink(t *testing.T) {
	b, ctx := newBench(t, mailertest.Options{}), context.Background()
	b.campaign(1)
	change, err := b.store.MoveContact(ctx, "p0@example.org", "fresh@example.net", 0, "kim")
	if err != nil {
		t.Fatal(err)
	}
	stop := b.start(nil)
	defer stop()
	halves := map[string]consent.Key{"p0@example.org": change.Old, "fresh@example.net": change.New}
	for _, r := range b.letters(2) {
		_, text := body(t, r)
		_, rest, _ := strings.Cut(text, "https://news.example.com/m/")
		token, _, _ := strings.Cut(rest, "\n")
		if token != b.store.Half(change, halves[r.To]) || strings.Contains(text, "p0@") || strings.Contains(text, "fresh@") {
			t.Errorf("%s got\n%s", r.To, text)
		}
	}
}
