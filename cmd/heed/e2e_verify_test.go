package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
	"heed/store/storetest"
)

// breaches are planted one after the other, one for each invariant.
var breaches = []struct{ invariant, query string }{
	{"I1", `UPDATE delivery SET end_at = 4102444800000000 WHERE address IN (SELECT address FROM ledger WHERE choice = 'out')`},
	{"I2", `UPDATE delivery SET token = 0 WHERE state = 'accepted' AND person = 2`},
	{"I3", `UPDATE delivery SET state = 'waiting' WHERE state = 'accepted' AND person = 3`},
	{"I4", `UPDATE inbound SET ledger = 4711 WHERE ledger IS NOT NULL`},
	{"I5", `UPDATE chain SET seq = seq + 1`},
	{"I6", `UPDATE address SET state = (SELECT max(state) FROM address WHERE key IN (SELECT address FROM ledger WHERE choice = 'out')) WHERE key = (SELECT address FROM person WHERE id = 5)`},
	{"I7", `DELETE FROM annex WHERE seq = 1`},
	{"I8", `INSERT INTO privacy_case (id, kind, state, identity, email, mailbox, received, due, ended, outcome) VALUES (900, 'erasure', 'done', 'confirmed', 'x', '', 1, 1, 1, 'erased')`},
	{"I9", `DELETE FROM ledger WHERE via = 'one_click'`},
	{"I10", `INSERT INTO job (id, queue, kind, state, due, campaign, worker, changed) VALUES (900, 'newsletter', 'send', 'running', 1, 1, 'gone', 1)`},
	{"I11", `UPDATE delivery SET state = 'uncertain', attempts = 1 WHERE person = 4 AND campaign = (SELECT max(id) FROM campaign WHERE class = 'alert')`},
	{"I12", `UPDATE inbound SET no_reply = 'list-mail'`},
}

// TestE2EVerifyFindsPlantedBreaches: after a real run on each engine heed verify
// is content; then it ends with 3 and names what was planted.
func TestE2EVerifyFindsPlantedBreaches(t *testing.T) {
	for name, u := range map[string]setUp{"sqlite": {}, "postgres": {postgres: true, redis: true}} {
		t.Run(name, func(t *testing.T) { verifyFinds(t, u) })
	}
}

func verifyFinds(t *testing.T, u setUp) {
	s, _ := u.opening(t, scenario{people: holders(20), connections: 4, keep: mailertest.KeepHeader})
	s.lived(t)
	url := s.setting("DATABASE_URL")
	for _, one := range breaches {
		storetest.Plant(t, url, filepath.Join(s.folder, "data"), one.query)
		r := s.heed.ends(t, exitFound, "verify", "--json")
		reports, err := objects[verifyView](r.out)
		if err != nil || len(reports) != 1 {
			t.Fatalf("%v: %s", err, r.out)
		}
		if report := reports[0]; report.OK || len(report.Invariants[one.invariant].Broken) == 0 || !slices.Contains(strings.FieldsFunc(r.err, notInName), one.invariant) {
			t.Errorf("%s: after %q heed verify says %s%s", one.invariant, one.query, r.out, r.err)
		}
	}
}

func notInName(c rune) bool { return c != 'I' && (c < '0' || c > '9') }

// holders is a crowd in which everybody holds the service.
func holders(n int) []resident {
	all := crowd(n, 2)
	for i := range all {
		all[i].services = []string{serviceName}
	}
	return all
}

// lived lets a little of everything happen, stops all processes, and sees that
// every invariant holds.
func (s *story) lived(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	s.arrives(ctx, t)
	s.finishes(ctx, t, s.starts(ctx, t, helloFile(s.site.url)))
	link, found := oneClick(s.sink.Records()[0].Header())
	if !found {
		t.Fatal("a message has no link")
	}
	if _, err := optOut(ctx, link, s.sink.Records()[0].To); err != nil {
		t.Fatal(err)
	}
	s.byMail(t, s.people[1].email)
	path, err := s.write("alert.md", []byte(alertFile()))
	if err == nil {
		_, err = s.heed.run(ctx, "alert", "send", path, "--key", "one")
	}
	if err == nil {
		err = eventually(ctx, patience, "the alerts", func() (bool, error) { return s.got(kindAlert) == len(s.people), nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	err = eventually(ctx, patience, "the letter to who wrote", func() (bool, error) { return s.got(kindOther) > 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.children {
		if err := c.stop(30 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	s.heed.ends(t, exitDone, "verify", "--json")
}
