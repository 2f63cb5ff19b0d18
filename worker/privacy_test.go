package worker_test

import (
	"context"
	"io"
	"mime/quotedprintable"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
)

// TestErasureTellsThePerson: the certificate goes out after the deletion, also
// where the relay first says "later", and then its address is forgotten too.
func TestErasureTellsThePerson(t *testing.T) {
	ctx := context.Background()
	refusals := 0
	b := newBench(t, mailertest.Options{OnRcpt: func(_, _ string) mailertest.Reply {
		if refusals++; refusals == 2 { // the first is the question
			return mailertest.Reply{Code: 451, Text: "later"}
		}
		return mailertest.Reply{}
	}})
	defer b.start(nil)()
	id := b.erases(ctx, store.Contact{Email: "ann@example.org", Language: "de"})
	b.holds("every item done", func() bool {
		items, err := b.store.ErasureItems(ctx, id)
		done := err == nil && len(items) == len(store.Inventory())
		for _, one := range items {
			done = done && one.State == "done"
		}
		return done
	})
	said := b.sink.Records()
	if len(said) != 2 || said[1].To != "ann@example.org" {
		t.Fatalf("%d letters went out", len(said))
	}
	text := letterText(t, said[1])
	done, err := b.store.Certificate(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "Gelöscht sind Ihre Adresse") || done.Ended.IsZero() {
		t.Errorf("the certificate says %q", text)
	}
}

// holds carries jobs until a condition holds.
func (b *bench) holds(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if b.carry(context.Background()); ok() {
			return
		}
	}
	b.t.Fatalf("waited in vain for %s", what)
}

// reopen gives the bench a store that plans erasures like this.
func (b *bench) reopen(p store.Plan) {
	b.t.Helper()
	folder := b.t.TempDir()
	s, err := store.Open(context.Background(), store.Options{URL: "sqlite:" + filepath.Join(folder, "heed.db"), Keys: filepath.Join(folder, "keys"), Plan: p})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { s.Close() })
	b.store = s
}

// erases stores somebody, who asks to be deleted and confirms it.
func (b *bench) erases(ctx context.Context, who store.Contact) (caseNo int64) {
	b.t.Helper()
	_, err := b.store.Import(ctx, []store.Contact{who}, "", false)
	if err == nil {
		caseNo, err = b.store.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: who.Email, Mailbox: "desk"})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.holds("the question", func() bool { return len(b.sink.Records()) == 1 })
	c, err := b.store.Case(ctx, caseNo)
	if err != nil {
		b.t.Fatal(err)
	}
	token, err := b.store.ConfirmLink(c)
	if err != nil {
		b.t.Fatal(err)
	}
	link, err := b.store.Keys().Links.Open(token)
	if err == nil {
		_, err = b.store.Confirm(ctx, link)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return caseNo
}

func letterText(t *testing.T, m mailertest.Record) string {
	t.Helper()
	_, body, _ := strings.Cut(string(m.Data), "\r\n\r\n")
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
