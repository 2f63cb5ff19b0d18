package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// ghost is a word that stands in everything about one person.
const ghost = "gespenst"

const ghostBox = "privacy@example.com/INBOX"

// haunt stores a person of whom every place holds something, and confirms
// their wish to be deleted. It gives the case.
func haunt(t *testing.T, s *store.Store) int64 {
	t.Helper()
	ctx := context.Background()
	email := ghost + "@example.com"
	_, err := s.Import(ctx, []store.Contact{{Row: 2, Email: email, FirstName: "Gespenst", LastName: "Gespenst", Company: "Gespenst & Co", Language: "de-gespenst",
		TimeZone: "Gespenst", ExternalID: "gespenst-1", Topics: []string{"product"}, Services: []string{"files"}, ConsentAt: time.Now().Add(-time.Hour),
		ConsentSource: "form", ConsentText: "yes, Gespenst", Attrs: map[string]string{"bird": "gespenst"}}}, "list", false)
	must(t, err)
	_, err = s.Import(ctx, []store.Contact{{Row: 3, Email: "other@example.com", Topics: []string{"product"}, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}}, "list", false)
	must(t, err)
	campaign(t, s)
	review := store.Inbound{Mailbox: ghostBox, Validity: 1, UID: 6, Digest: "d6", Received: time.Now(), Request: consent.Request{Kind: consent.KindReview, From: email}}
	_, err = s.RecordMail(ctx, review)
	must(t, err)
	mail := store.Inbound{Mailbox: ghostBox, Role: "privacy", Validity: 1, UID: 7, Digest: "d7", Received: time.Now(),
		Request: consent.Request{Kind: consent.KindErasure, From: email, Evidence: []consent.Evidence{{Rule: "erase", Text: "delete Gespenst"}}}}
	_, err = s.RecordMail(ctx, mail)
	must(t, err)
	all, err := s.Cases(ctx, true)
	must(t, err)
	for _, c := range all {
		if c.Kind != consent.CaseErasure {
			_, err := s.Resolve(ctx, c.ID, store.Resolution{Outcome: "wrote to Gespenst"})
			must(t, err)
			continue
		}
		token, err := s.ConfirmLink(c)
		must(t, err)
		link, err := s.Keys().Links.Open(token)
		must(t, err)
		_, err = s.Confirm(ctx, link)
		must(t, err)
	}
	return all[len(all)-1].ID
}

// answers does what mailbox and relay do for an erasure.
func answers(t *testing.T, s *store.Store, id int64) {
	t.Helper()
	ctx := context.Background()
	due, err := s.Removals(ctx, ghostBox)
	must(t, err)
	for _, one := range due {
		must(t, s.Removed(ctx, one, false))
	}
	letter := certificateLetter(t, s, id)
	if letter.To != ghost+"@example.com" || letter.Language != "de-gespenst" {
		t.Errorf("the certificate goes to %+v", letter.Words)
	}
	must(t, s.EndCorrespondence(ctx, letter, "sent", 250))
	must(t, s.Erase(ctx, id))
}

func certificateLetter(t *testing.T, s *store.Store, id int64) store.Correspondence {
	t.Helper()
	for n := int64(1); ; n++ {
		c, err := s.Correspondence(context.Background(), n)
		if errors.Is(err, store.ErrNotFound) && n < 50 {
			continue
		}
		must(t, err)
		if c.Kind == store.WriteErased && c.Case == id {
			return c
		}
	}
}

// gone fails where anything still names the person.
func gone(t *testing.T, s *store.Store, id int64) {
	t.Helper()
	ctx := context.Background()
	found, err := s.Holding(ctx, ghost)
	must(t, err)
	if len(found) > 0 {
		t.Errorf("after the erasure %v still name the person", found)
	}
	items, err := s.ErasureItems(ctx, id)
	must(t, err)
	for _, one := range items {
		if one.State != "done" {
			t.Errorf("item %+v", one)
		}
	}
	if c, err := s.Case(ctx, id); err != nil || c.State != consent.CaseDone || c.Outcome != "erased" {
		t.Errorf("the case is %+v, %v", c, err)
	}
	clean(t, s)
}

// TestErasureKilledBetweenAnyTwoItems: whatever was done before a crash, no
// invariant is broken, the rest is done afterwards, and nothing is left.
func TestErasureKilledBetweenAnyTwoItems(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		for steps := range len(store.Inventory()) + 1 {
			t.Run(fmt.Sprint(steps), func(t *testing.T) {
				t.Parallel()
				o := o
				if strings.HasPrefix(o.URL, "sqlite:") {
					o.URL += fmt.Sprint(steps)
				} else {
					o.URL = storetest.QuickPostgres(t)
				}
				o.Keys, o.Journal = t.TempDir(), t.TempDir()+"/journal"
				s := opened(t, o)
				id := haunt(t, s)
				for range steps {
					_, err := s.EraseOne(context.Background(), id)
					must(t, err)
				}
				must(t, s.Close())
				s = opened(t, o)
				clean(t, s)
				must(t, s.Erase(context.Background(), id))
				answers(t, s, id)
				gone(t, s, id)
			})
		}
	})
}

// TestPlantedLeftoversAreFound: heed verify looks at each item that is said to
// be done.
func TestPlantedLeftoversAreFound(t *testing.T) {
	plants := map[string]string{
		"person":       `INSERT INTO person (id, subject, address, email, created, updated) VALUES (99, 'PLANTED', $1, 'x', 1, 1)`,
		"cases":        `UPDATE privacy_case SET email = 'x' WHERE address = $1`,
		"letters":      `INSERT INTO correspondence (id, kind, state, address, holder, sealed, created, ended) VALUES (99, 'confirm', 'sent', $1, 'x', 'x', 1, 2)`,
		"deliveries":   `UPDATE delivery SET person = 1, changed = 1 WHERE address = $1`,
		"evidence":     `INSERT INTO annex (seq, holder, sealed) SELECT min(seq), 'x', 'x' FROM ledger WHERE address = $1`,
		"mails":        `INSERT INTO mail_text (inbound, holder, sealed) SELECT min(id), CAST($1 AS TEXT), 'x' FROM inbound`,
		"links":        `UPDATE inbound SET address = $1`,
		"external_ids": `INSERT INTO external_id (id, person) SELECT 'x', id FROM person WHERE address = $1`,
		"certificate":  `UPDATE erasure SET sealed = $1`,
	}
	engines(t, func(t *testing.T, o store.Options) {
		s := opened(t, o)
		ctx := context.Background()
		id := haunt(t, s)
		must(t, s.Erase(ctx, id))
		answers(t, s, id)
		gone(t, s, id)
		key := keyOf(t, s, ghost+"@example.com").String()
		for _, item := range []string{"person", "external_ids", "cases", "letters", "deliveries", "evidence", "mails", "links", "certificate"} {
			must(t, s.Do(ctx, plants[item], key))
			report, err := s.Verify(ctx)
			must(t, err)
			if !strings.Contains(fmt.Sprint(report["I8"].Broken), fmt.Sprintf("case %d: %s", id, item)) {
				t.Errorf("%s was planted and not found: %v", item, report["I8"])
			}
		}
	})
}

// TestTheCertificateRestsOnWhatIsDeclared: its date is the end of the longest
// cycle, and it can be shown again.
func TestTheCertificateRestsOnWhatIsDeclared(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		o.Plan.Backups = []store.Backup{{Name: "nightly", Cycle: 14 * 24 * time.Hour}, {Name: "tapes", Cycle: 90 * 24 * time.Hour}}
		s := opened(t, o)
		id := haunt(t, s)
		if _, err := s.Certificate(ctx, id); !errors.Is(err, store.ErrNoErasure) {
			t.Errorf("before it began: %v", err)
		}
		must(t, s.Erase(ctx, id))
		c, err := s.Certificate(ctx, id)
		must(t, err)
		if !c.Ended.IsZero() || !c.LastBackup.IsZero() {
			t.Errorf("while a mail lies in a mailbox: %+v", c)
		}
		answers(t, s, id)
		c, err = s.Certificate(ctx, id)
		must(t, err)
		if got := c.LastBackup.Sub(c.Ended); got != 90*24*time.Hour || len(c.Backups) != 2 {
			t.Errorf("the last backup is gone %v after the end: %+v", got, c)
		}
	})
}

// TestWhoComesBackIsANewPerson: somebody who was erased and says yes again is
// stored anew, nothing of them counts as left over, and the link of an old mail
// still opts out.
func TestWhoComesBackIsANewPerson(t *testing.T) {
	engines(t, func(t *testing.T, o store.Options) {
		ctx := context.Background()
		s := opened(t, o)
		id := haunt(t, s)
		email := ghost + "@example.com"
		key := keyOf(t, s, email)
		before, _, err := s.PersonByKey(ctx, key)
		must(t, err)
		must(t, s.Erase(ctx, id))
		answers(t, s, id)
		must(t, s.Yes(ctx, key, email))
		after, known, err := s.PersonByKey(ctx, key)
		must(t, err)
		if !known || after.ID == before.ID || after.Subject == before.Subject || after.FirstName != "" || after.ExternalID != "" {
			t.Errorf("who came back is %+v", after)
		}
		clean(t, s)
		if again, err := s.EraseOne(ctx, id); err != nil || again {
			t.Errorf("the old erasure goes on: %v, %v", again, err)
		}
		if _, known, _ = s.PersonByKey(ctx, key); !known {
			t.Error("the old erasure took the new person")
		}
		stopped, err := s.OptOut(ctx, store.OptOut{Key: key, Topic: 1, Via: consent.ViaOneClick})
		must(t, err)
		if e, _ := s.Explain(ctx, email); stopped.Already || e.State.Topics["product"] == "in" {
			t.Errorf("the old link stopped %+v, and the state is %+v", stopped, e.State)
		}
	})
}
