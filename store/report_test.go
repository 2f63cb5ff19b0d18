package store_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// dated is a store whose clock the test sets.
type dated struct {
	*store.Store
	at  time.Time
	url string
}

// datedEngines runs a test on both, each with a clock of its own that begins now.
func datedEngines(t *testing.T, test func(t *testing.T, s *dated)) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "heed.db") },
		"postgres": func(t *testing.T) string { return storetest.QuickPostgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			d := &dated{at: time.Now(), url: url(t)}
			var err error
			d.Store, err = store.Open(context.Background(), store.Options{URL: d.url, Keys: filepath.Join(t.TempDir(), "keys"),
				Journal: filepath.Join(t.TempDir(), "journal"), Policy: consent.NewPolicyVersion("2026-01", []byte("the policy")),
				Limits: consent.Policy{AlertCap: 4}, Now: func() time.Time { return d.at }})
			must(t, err)
			t.Cleanup(func() { d.Close() })
			must(t, d.SyncTopics(context.Background(), []store.Named{{ID: "product", Name: "Product news"}, {ID: "events", Name: "Events"}},
				[]store.Named{{ID: "files", Name: "Files"}}))
			test(t, d)
		})
	}
}

// raw opens the database beside the store.
func (d *dated) raw(t *testing.T) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", d.url
	if path, is := strings.CutPrefix(d.url, "sqlite:"); is {
		driver, dsn = "sqlite", path
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// asks is a mail to privacy@ as the poller hands it over.
func asks(kind consent.Kind, from, digest string) store.Inbound {
	return store.Inbound{Mailbox: "privacy@example.com/INBOX", Role: "privacy", Validity: 1, UID: int64(len(digest)), Digest: digest, MessageID: "<" + digest + "@example.com>",
		Received: time.Now().Add(-time.Minute), Writer: from, Text: "Canary words of the mail", Request: consent.Request{Kind: kind, From: from, Language: "de", Sure: 0.9, Evidence: []consent.Evidence{{Rule: "phrase", Text: "was wissen Sie"}}}}
}

// ann stores one person with all that a person can have.
func ann(t *testing.T, s *store.Store) consent.Key {
	t.Helper()
	result, err := s.Import(context.Background(), []store.Contact{{Row: 2, Email: "ann@example.com", FirstName: "Canary-First", LastName: "Canary-Last", Company: "Canary-Company",
		Language: "de", TimeZone: "Europe/Berlin", ExternalID: "canary-external", Topics: []string{"product", "events"}, Services: []string{"files"},
		Sharing: true, ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "canary-form", ConsentText: "Canary wording, yes please",
		Attrs: map[string]string{"plan": "canary-plan"}}}, "canary-import", false)
	must(t, err)
	if result.Added != 1 {
		t.Fatalf("imported %+v", result)
	}
	return keyOf(t, s, "ann@example.com")
}

// theCase reads the newest case of an address.
func theCase(t *testing.T, s *store.Store, key consent.Key) store.Case {
	t.Helper()
	all, err := s.Cases(context.Background(), false)
	must(t, err)
	var last store.Case
	for _, c := range all {
		if c.Key == key.String() && c.ID > last.ID {
			last = c
		}
	}
	return last
}

// click presses the button behind a case's link.
func click(t *testing.T, s *store.Store, c store.Case) store.Case {
	t.Helper()
	token, err := s.ConfirmLink(c)
	must(t, err)
	link, err := s.Keys().Links.Open(token)
	must(t, err)
	after, err := s.Confirm(context.Background(), link)
	must(t, err)
	return after
}

func isOnHold(t *testing.T, s *store.Store, key consent.Key) bool {
	t.Helper()
	state, err := s.State(context.Background(), key)
	must(t, err)
	return state.Hold != 0
}

// TestAccessNeedsAClick: a mail alone shows nobody anything, and holds the
// person; the click gives the copy, ends the case and the hold.
func TestAccessNeedsAClick(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		f, err := s.RecordMail(ctx, asks(consent.KindAccess, "ann@example.com", "d1"))
		must(t, err)
		c := theCase(t, s.Store, key)
		if f.Outcome != "case" || c.Kind != consent.CaseAccess || c.State != consent.CaseWaiting || !isOnHold(t, s.Store, key) {
			t.Fatalf("the mail gave %+v and the case %+v", f, c)
		}
		if _, err := s.ReportForStaff(ctx, c.ID, "kim"); !errors.Is(err, store.ErrState) {
			t.Errorf("staff took a copy before the click: %v", err)
		}
		if links, _ := s.ReportLinks(ctx, c.ID); len(links) != 0 {
			t.Errorf("there is a link before the click: %+v", links)
		}
		c = click(t, s.Store, c)
		if c.State != consent.CaseDone || c.Outcome != store.CopyGiven || c.Identity != consent.IdentityConfirmed || isOnHold(t, s.Store, key) {
			t.Fatalf("after the click the case is %+v", c)
		}
		click(t, s.Store, c)
		links, err := s.ReportLinks(ctx, c.ID)
		must(t, err)
		if len(links) != 1 || links[0].Key != key || links[0].Reader != key {
			t.Fatalf("the links are %+v", links)
		}
		sealed, err := s.Keys().Links.Open(s.SealReport(links[0]))
		must(t, err)
		link, err := s.ReportLink(ctx, sealed)
		must(t, err)
		r, err := s.OpenReport(ctx, link, "page")
		must(t, err)
		if r.Person == nil || r.Person.Email != "ann@example.com" || r.Reference != "H-1" || r.State.OnHold {
			t.Errorf("the copy is %+v", r)
		}
		if events := r.Cases[0].Events; len(events) == 0 || events[len(events)-1].Kind != "read" {
			t.Errorf("the opening is no event: %+v", events)
		}
		if _, err := s.ReportForStaff(ctx, c.ID, "kim"); err != nil {
			t.Errorf("staff could not take the copy of a confirmed case: %v", err)
		}
		clean(t, s.Store)
	})
}

// TestLinkToACopyEnds: after thirty days, when it is closed, and with an
// erasure.
func TestLinkToACopyEnds(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), ann(t, s.Store)
		link := func() store.ReportLink {
			id, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseAccess, Email: "ann@example.com", Mailbox: "desk"})
			must(t, err)
			c, err := s.Case(ctx, id)
			must(t, err)
			links, err := s.ReportLinks(ctx, click(t, s.Store, c).ID)
			must(t, err)
			return links[0]
		}
		old := link()
		s.at = s.at.Add(store.ReportFor + time.Second)
		if _, err := s.OpenReport(ctx, old, "page"); !errors.Is(err, store.ErrState) {
			t.Errorf("a link that has run out gave %v", err)
		}
		closed := link()
		if n, err := s.CloseReports(ctx, closed.Case, closed.ID, ""); n != 1 || err != nil {
			t.Errorf("closing gave %d, %v", n, err)
		}
		if _, err := s.OpenReport(ctx, closed, "file"); !errors.Is(err, store.ErrState) {
			t.Errorf("a closed link gave %v", err)
		}
		last := link()
		id, err := s.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: "ann@example.com", Mailbox: "desk"})
		must(t, err)
		c, err := s.Case(ctx, id)
		must(t, err)
		must(t, s.Erase(ctx, click(t, s.Store, c).ID))
		if _, err := s.OpenReport(ctx, last, "page"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the erasure the link gave %v", err)
		}
		r, err := s.Held(ctx, key, 0)
		must(t, err)
		text, err := json.Marshal(r)
		must(t, err)
		if r.Person != nil || strings.Contains(string(text), "Canary") || strings.Contains(string(text), "ann@example.com") {
			t.Errorf("after the erasure the copy still says %s", text)
		}
	})
}

// TestAccessOfSomebodyNeverStored: what is held under the key alone is shown to
// whoever writes from that very address and clicks there; nobody else is asked.
func TestAccessOfSomebodyNeverStored(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, key := context.Background(), keyOf(t, s.Store, "zoe@example.org")
		_, err := s.RecordMail(ctx, asks(consent.KindAccess, "zoe@example.org", "d1"))
		must(t, err)
		if c := theCase(t, s.Store, key); c.State != consent.CaseOpen || c.Identity != consent.IdentityUnknown {
			t.Fatalf("nothing is held, and the case is %+v", c)
		}
		_, err = s.OptOut(ctx, store.OptOut{Key: key, Scope: consent.ScopeMarketing, Via: consent.ViaMail, Evidence: `{"words":"canary stop"}`})
		must(t, err)
		_, err = s.Resolve(ctx, theCase(t, s.Store, key).ID, store.Resolution{Outcome: "nothing was held", By: "kim"})
		must(t, err)
		forged := asks(consent.KindAccess, "zoe@example.org", "d22")
		_, err = s.RecordMail(ctx, forged)
		must(t, err)
		if c := theCase(t, s.Store, key); c.State != consent.CaseOpen {
			t.Fatalf("a mail that proves nothing made the case %+v", c)
		}
		_, err = s.Resolve(ctx, theCase(t, s.Store, key).ID, store.Resolution{Outcome: "not proven", Refused: true, By: "kim"})
		must(t, err)
		proven := asks(consent.KindAccess, "zoe@example.org", "d333")
		proven.Request.Authenticated = true
		_, err = s.RecordMail(ctx, proven)
		must(t, err)
		c := theCase(t, s.Store, key)
		if c.State != consent.CaseWaiting {
			t.Fatalf("the case is %+v", c)
		}
		c = click(t, s.Store, c)
		r, err := s.ReportForStaff(ctx, c.ID, "kim")
		must(t, err)
		text, err := json.Marshal(r)
		must(t, err)
		if r.Person != nil || !strings.Contains(string(text), "canary stop") || len(r.Mails) != 3 {
			t.Errorf("the copy is %s", text)
		}
	})
}

// holdsNobody lists the tables without a row about a person, each with why.
var holdsNobody = map[string]string{
	"system_notice": "what other systems answered to an erasure",
	"api_key":       "keys of programs", "api_answer": "answers to programs, sealed, for a day", "webhook": "servers that are told", "hook_message": "which server heard of which event",
	"hook_event": "numbers of what happened, by the random id that the copy shows; it names nobody", "provider_event": "digests of reports",
	"signup_count": "counts of a network", "signup_wording": "what stands on forms", "policy_version": "texts of ours",
	"journal_owed": "lines of the ledger by address key, which the copy shows from the ledger",
	"proof":        "hashes of signed words",
	"delivery_sum": "counts of a campaign",
	"feed":         "files of partners",
	"transfer":     "names of businesses", "transferred_limit": "keys under the pepper of another business, which no address here has",
	"shape":   "names of details that some people have",
	"warm_up": "counts of a relay or a provider", "pace_note": "limits of relays and providers", "pace_clear": "names of limits",
	"counter": "numbers of things", "topic": "names of topics", "service": "names of services", "chain": "the head of the ledger",
	"campaign": "texts to many", "worker": "processes", "mailbox": "our own mailboxes", "erasure": "what is left of a person who is being erased", "erasure_item": "what an erasure works off", "mail_removal": "mails of an erased person",
	"alarm": "keys that never name a person", "alarm_told": "numbers of alarms", "tray": "numbers of mails",
	"policy_refusal": "counts of a campaign", "complaint": "counts of a campaign", "job": "numbers of letters, cases and campaigns", "goose_db_version": "the schema", "goose_lock": "the schema", "sqlite_sequence": "the schema",
}

// TestReportHoldsEveryTable seeds one person in every table of the schema and
// looks for each trace of it in the copy. A new table fails here until it
// appears in store/report_read.go, or until it is said above why it holds
// nobody.
func TestReportHoldsEveryTable(t *testing.T) {
	datedEngines(t, func(t *testing.T, s *dated) {
		ctx, db := context.Background(), s.raw(t)
		key := ann(t, s.Store)
		seeded := seedEverywhere(t, s, db, key)
		r, err := s.Held(ctx, key, 0)
		must(t, err)
		raw, err := json.Marshal(r)
		must(t, err)
		text := string(raw)
		for _, table := range tables(t, s, db) {
			want, known := seeded[table]
			if why := holdsNobody[table]; why != "" {
				continue
			}
			if !known {
				t.Errorf("the table %s is new: make it appear in store/report_read.go and seed it here, or say in holdsNobody why it holds nobody", table)
			}
			var n int
			must(t, db.QueryRowContext(ctx, `SELECT count(*) FROM `+table).Scan(&n))
			if n == 0 {
				t.Errorf("the test put nobody into %s", table)
			}
			for _, canary := range want {
				if !strings.Contains(text, canary) {
					t.Errorf("%s: the copy lacks %q", table, canary)
				}
			}
		}
		if t.Failed() {
			t.Log(text)
		}
	})
}

func tables(t *testing.T, s *dated, db *sql.DB) (all []string) {
	t.Helper()
	query := `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	if strings.HasPrefix(s.url, "sqlite:") {
		query = `SELECT name FROM sqlite_master WHERE type = 'table'`
	}
	found, err := db.Query(query)
	must(t, err)
	defer found.Close()
	for found.Next() {
		var name string
		must(t, found.Scan(&name))
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// seedEverywhere puts Ann into every table that can hold her, and tells what of
// it the copy must show.
func seedEverywhere(t *testing.T, s *dated, db *sql.DB, key consent.Key) map[string][]string {
	t.Helper()
	ctx := context.Background()
	id := campaign(t, s.Store)
	d := desk(t, s.Store, "w")
	v, err := d.Claim(ctx, store.Ask{Campaign: id, Address: key})
	must(t, err)
	_, err = s.OptOut(ctx, store.OptOut{Key: key, Scope: consent.ScopePartner, Via: consent.ViaMail, Evidence: `{"words":"canary no offers"}`})
	must(t, err)
	d.Finish(store.Result{Ask: store.Ask{Campaign: id, Address: key}, Token: v.Token, Outcome: store.Accepted, Code: 250, Status: "2.9.7", EndAt: time.Now()})
	must(t, d.Flush(ctx))
	second := campaign(t, s.Store)
	_, err = d.Claim(ctx, store.Ask{Campaign: second, Address: key})
	must(t, err)
	_, err = s.RecordMail(ctx, asks(consent.KindAccess, "ann@example.com", "canary-digest"))
	must(t, err)
	c := theCase(t, s.Store, key)
	click(t, s.Store, c)
	must(t, s.SignUp(ctx, store.SignUp{Contact: store.Contact{Email: "ann@example.com", Topics: []string{"product"}}, Wording: "canary form words", Source: "canary-page"}))
	_, err = s.RegisterAccount(ctx, store.Contact{Email: "ann@example.com", ExternalID: "canary-account"})
	must(t, err)
	for _, query := range []string{
		`INSERT INTO welcomed (address, topic, at) VALUES ('` + key.String() + `', 1, 4480963200000000)`,
		`INSERT INTO retry (campaign, address, due) VALUES (` + decimal(id) + `, '` + key.String() + `', 4102444800000000)`,
		`INSERT INTO address_change (id, old, new, state, created, until, ended, holder, sealed) SELECT 1, '` + key.String() + `', 'x', 'dropped', 1, 2, 3, holder, sealed FROM correspondence WHERE kind = 'confirm'`,
		`INSERT INTO address_link (old, new, at) VALUES ('` + key.String() + `', '` + keyOf(t, s.Store, "ann.old@example.com").String() + `', 1)`,
		`INSERT INTO case_subject (caseno, address) VALUES (1, '` + key.String() + `')`,
		`INSERT INTO mail_optout (seq, inbound, address, recorded, proven, undo_until, undone, batch, forged)
			SELECT max(seq), 1, '` + key.String() + `', 1, 0, 4386441600000000, 4417977600000000, 31415, 4449513600000000 FROM ledger`,
		`INSERT INTO staff_act (id, at, kind, staff, about, address, said, hash) VALUES (1, 1, 'disclosed', 'x', 1, '` + key.String() + `', 'canary docket', '')`,
		`INSERT INTO disclosure (id, document, authority, asked_by, approved_by, created) VALUES (1, 'd', 'canary court', 'a', 'b', 1)`,
		`INSERT INTO service_check (id, address, service, state, asked, ended) VALUES (1, '` + key.String() + `', 1, 'kept', 4512672000000000, 4544208000000000)`,
		`INSERT INTO outside_notice (id, kind, party, name, address, holder, sealed, state, created) SELECT 77, 'sharing', 'p', 'canary partner', '` + key.String() + `', holder, sealed, 'due', 1 FROM correspondence WHERE kind = 'confirm'`,
		`INSERT INTO shared (address, partner, since) VALUES ('` + key.String() + `', 'canary-shared', 1)`,
		`INSERT INTO barrier (seq, opened, acked, in_flight) SELECT max(seq), 1, 4070908800000000, 7 FROM ledger`,
	} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	return map[string][]string{
		"address": {key.String(), `"state"`}, "person": {"ann@example.com", "Canary-First", "Canary-Last", "Canary-Company", "Europe/Berlin", "canary-plan"},
		"external_id": {"canary-external"}, "holding": {`"services":["files"]`}, "ledger": {"canary-form", "partner_offers", "topic:events"},
		"annex": {"Canary wording, yes please", "canary-import", "canary no offers", "was wissen Sie"}, "barrier": {`"in_flight":7`, "2099-01-01"},
		"delivery": {`"code":250`, "2.9.7"}, "claim": {`"outcome":"in_flight"`}, "retry": {"2100-01-01"}, "privacy_case": {`"kind":"access"`, `"reference":"H-1"`},
		"inbound": {"canary-digest", "privacy@example.com/INBOX"}, "correspondence": {`"kind":"confirm"`, `"kind":"report"`, `"language":"de"`},
		"mail_text": {"Canary words of the mail"}, "case_event": {`"kind":"confirmed"`}, "report_link": {`"links_to_copies":[{`},
		"address_change": {`"state":"dropped"`, `"detail":{"in_reply_to":`}, "address_link": {keyOf(t, s.Store, "ann.old@example.com").String()},
		"signup": {"canary form words", "canary-page"}, "registration": {`"registrations":[{`}, "welcomed": {`"welcomed":[{"topic":"product","at":"2111-12-31`},
		"case_subject": {`"reference":"H-1"`}, "mail_optout": {`"undo_until":"2109-01-01`, `"taken_back":"2110-01-01`, `"batch":31415`, `"found_forged":"2111-01-01`},
		"staff_act": {"canary docket"}, "disclosure": {"canary court"}, "service_check": {"2113-01-01", "2114-01-01"},
		"outside_notice": {"canary partner", `"words_of_open_notices":{"N-77":{`}, "shared": {"canary-shared"},
	}
}

func decimal(n int64) string {
	raw, _ := json.Marshal(n)
	return string(raw)
}
