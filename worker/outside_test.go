package worker_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/worker"
)

// partners is a bench whose worker shares with Acme, by a webhook, and with
// Beta, by mail; Ann, Ben and Cy agreed.
func partners(t *testing.T, acme *otherSystem) (b *bench, file string) {
	t.Helper()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(systemSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(acme)
	t.Cleanup(server.Close)
	b = newBench(t, mailertest.Options{})
	b.reopen(store.Plan{Partners: []store.System{{ID: "acme", Name: "Acme"}, {ID: "beta", Name: "Beta"}}, Products: []store.System{{ID: "shop", Name: "Shop"}}})
	if err := b.store.SyncTopics(context.Background(), nil, []store.Named{{ID: "files", Name: "Files"}}); err != nil {
		t.Fatal(err)
	}
	var all []store.Contact
	for i, name := range []string{"ann", "ben", "cy"} {
		all = append(all, store.Contact{Row: i, Email: name + "@example.org", FirstName: "=First", LastName: "Last", Company: "Secret Ltd", Sharing: true,
			Services: []string{"files"}, ExternalID: "c-" + name, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
	}
	if _, err := b.store.Import(context.Background(), all, "", false); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "acme.csv")
	hook := worker.Webhook{URL: server.URL, SecretFile: secret}
	b.start(func(o *worker.Options) {
		o.Partners = []worker.Partner{{System: worker.System{ID: "acme", Name: "Acme", Webhook: hook}, Fields: []string{"first_name"}, File: file},
			{System: worker.System{ID: "beta", Name: "Beta", Mail: "privacy@beta.example"}}}
		o.Systems = []worker.System{{ID: "shop", Name: "Shop", Webhook: hook}}
	})
	return b, file
}

func readFeed(file string) (rows [][]string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	rows, _ = csv.NewReader(strings.NewReader(string(raw))).ReadAll() // a file is whole or not there
	return rows
}

func (b *bench) stopSharing(ctx context.Context, email string) {
	b.t.Helper()
	key, _, err := b.store.Key(email)
	if err == nil {
		_, err = b.store.OptOut(ctx, store.OptOut{Key: key, Scope: consent.ScopeSharing, Via: consent.ViaPage, Authenticated: true})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestThePartnersFileFollowsAWithdrawal: the worker writes the file, with the
// address and the partner's fields and nothing else, and writes it anew when
// somebody withdraws; the partner is told, signed, until it has heard.
func TestThePartnersFileFollowsAWithdrawal(t *testing.T) {
	ctx := context.Background()
	acme := &otherSystem{t: t, status: 500, answer: "not now"}
	b, file := partners(t, acme)
	b.holds("the first file", func() bool { return len(readFeed(file)) == 4 })
	if rows := readFeed(file); strings.Join(rows[0], ",") != "email,first_name" || strings.Join(rows[1], ",") != "ann@example.org,'=First" {
		t.Errorf("the file begins with %v", rows)
	}
	b.stopSharing(ctx, "ben@example.org")
	b.holds("the file without Ben", func() bool {
		rows := readFeed(file)
		return len(rows) == 3 && rows[1][0] == "ann@example.org" && rows[2][0] == "cy@example.org"
	})
	b.holds("the feed being up to date", func() bool {
		f, err := b.store.FeedOf(ctx, "acme")
		return err == nil && !f.Old() && f.People == 2
	})
	b.holds("Acme being told", func() bool {
		acme.mu.Lock()
		defer acme.mu.Unlock()
		return len(acme.told) > 0
	})
	var said struct {
		Type string
		Data map[string]any
	}
	if err := json.Unmarshal([]byte(acme.told[0]), &said); err != nil || said.Type != "sharing.stopped" || said.Data["email"] != "ben@example.org" ||
		said.Data["external_ids"] != nil || said.Data["reference"] != "N-1" {
		t.Errorf("Acme was told %s, %v", acme.told[0], err)
	}
	b.holds("the refusal being noted", func() bool {
		n, err := b.store.OutsideNotices(ctx, true)
		return err == nil && len(n) == 1 && n[0].Tries > 0 && n[0].State == "due"
	})
	acme.mu.Lock()
	acme.status, acme.answer = 200, `{"status":"stopped"}`
	acme.mu.Unlock()
	b.stopSharing(ctx, "cy@example.org")
	b.holds("the second being heard", func() bool {
		n, err := b.store.OutsideNotices(ctx, false)
		return err == nil && len(n) == 2 && n[1].State == "done"
	})
}

// TestAPartnerIsToldByMail: once, and it stays open until staff write down what
// it answered.
func TestAPartnerIsToldByMail(t *testing.T) {
	ctx := context.Background()
	b, _ := partners(t, &otherSystem{t: t, status: 200, answer: `{"status":"stopped"}`})
	if page, _, err := b.store.FeedPage(ctx, "beta", 0, 10); err != nil || len(page) != 3 {
		t.Fatalf("beta is given %v, %v", page, err)
	}
	b.stopSharing(ctx, "ann@example.org")
	b.holds("the mail", func() bool { return len(b.sink.Records()) == 1 })
	m := b.sink.Records()[0]
	if text := letterText(t, m); m.To != "privacy@beta.example" || !strings.Contains(text, "ann@example.org") || strings.Contains(text, "Secret") {
		t.Errorf("to %s: %s", m.To, text)
	}
	b.holds("it waiting for an answer", func() bool {
		n, err := b.store.OutsideNotices(ctx, true)
		return err == nil && len(n) == 1 && n[0].State == "accepted" && n[0].Party == "beta"
	})
}

// TestTheProductIsAskedWhetherAServiceIsUsed: its answer ends the check.
func TestTheProductIsAskedWhetherAServiceIsUsed(t *testing.T) {
	ctx := context.Background()
	shop := &otherSystem{t: t, status: 200, answer: `{"status":"ended"}`}
	b, _ := partners(t, shop)
	key, _, err := b.store.Key("ann@example.org")
	if err != nil {
		t.Fatal(err)
	}
	check, holds, err := b.store.Question(ctx, consent.Link{Purpose: consent.PurposeUnused, Address: key, Scope: 1})
	if err != nil || !holds {
		t.Fatalf("%+v, %v, %v", check, holds, err)
	}
	b.holds("the answer", func() bool {
		c, err := b.store.ServiceCheck(ctx, check.ID)
		return err == nil && c.State == "ended"
	})
	shop.mu.Lock()
	defer shop.mu.Unlock()
	if !strings.Contains(shop.told[0], `"type":"service.questioned"`) || !strings.Contains(shop.told[0], `"service":"files"`) || !strings.Contains(shop.told[0], `"c-ann"`) {
		t.Errorf("the product was asked %s", shop.told[0])
	}
}
