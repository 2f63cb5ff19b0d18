package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

var mailNumber atomic.Int64

// mailed records a mail and gives what was done with it.
func mailed(t *testing.T, s *store.Store, r consent.Request) store.Filing {
	t.Helper()
	n := mailNumber.Add(1)
	f, err := s.RecordMail(context.Background(), store.Inbound{Mailbox: "u", Role: "unsubscribe", Validity: 1, UID: n, Digest: fmt.Sprint("d", n),
		MessageID: fmt.Sprintf("<%d@example.net>", n), Received: time.Now(), Request: r})
	must(t, err)
	return f
}

// wish is an opt-out in somebody's own words.
func wish(from string) consent.Request {
	return consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: from, Language: "en", Sure: 0.9}
}

// letters lists what was written to somebody, in order.
func letters(t *testing.T, s *store.Store, email string) []store.Correspondence {
	t.Helper()
	all, err := s.Letters(context.Background(), keyOf(t, s, email))
	must(t, err)
	return all
}

func kinds(all []store.Correspondence) (names []string) {
	for _, one := range all {
		names = append(names, one.Kind)
	}
	return names
}

// TestWhatAnOptOutByMailIsAnswered: one letter where one is owed and allowed, of
// the right kind, and none otherwise.
func TestWhatAnOptOutByMailIsAnswered(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		people(t, s, 12)
		change := func(f func(*consent.Request)) func(*consent.Request) { return f }
		for i, tt := range []struct {
			name   string
			change func(*consent.Request)
			want   string
		}{
			{"anybody could have written it", change(func(*consent.Request) {}), "[notice]"},
			{"signed by their provider", change(func(r *consent.Request) { r.Authenticated = true }), "[answer]"},
			{"quotes a link of theirs", change(func(r *consent.Request) {
				r.Link = &consent.Link{Purpose: consent.PurposeChoices, Address: keyOf(t, s, r.From)}
			}), "[answer]"},
			{"to their sealed address", change(func(r *consent.Request) {
				r.Link, r.Button = &consent.Link{Purpose: consent.PurposeOptOut, Address: keyOf(t, s, r.From), Scope: 1}, true
			}), "[]"},
			{"a button, signed", change(func(r *consent.Request) { r.Button, r.Authenticated = true, true }), "[]"},
			{"a button that anybody could have written", change(func(r *consent.Request) { r.Button = true }), "[notice]"},
			{"must not be answered", change(func(r *consent.Request) { r.NoReply = "list-mail" }), "[]"},
			{"must not be answered, though signed", change(func(r *consent.Request) { r.NoReply, r.Authenticated = "precedence", true }), "[]"},
		} {
			r := wish(fmt.Sprintf("p%d@example.com", i))
			tt.change(&r)
			f := mailed(t, s, r)
			got := letters(t, s, r.From)
			if f.Outcome != "opted_out" || fmt.Sprint(kinds(got)) != tt.want {
				t.Errorf("%s: %s, %v; want %s", tt.name, f.Outcome, kinds(got), tt.want)
			}
			if e, _ := s.Explain(context.Background(), r.From); e.State.Topics["product"] != "out" {
				t.Errorf("%s: the topic is %s", tt.name, e.State.Topics["product"])
			}
		}
		clean(t, s)
	})
}

// TestStrangersGetOneNeutralAnswer: only who proves to be the one that wrote is
// told, and is kept out of all marketing whether told or not.
func TestStrangersGetOneNeutralAnswer(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		for i, tt := range []struct {
			change func(*consent.Request)
			want   string
		}{
			{func(*consent.Request) {}, "[]"},
			{func(r *consent.Request) { r.Authenticated = true }, "[unknown]"},
			{func(r *consent.Request) { r.Authenticated, r.NoReply = true, "own-mail" }, "[]"},
			{func(r *consent.Request) { r.Authenticated, r.Kind = true, consent.KindAccess }, "[unknown]"},
			{func(r *consent.Request) { r.Kind = consent.KindErasure }, "[]"},
			{func(r *consent.Request) { r.Authenticated, r.Kind = true, consent.KindReview }, "[]"},
		} {
			r := wish(fmt.Sprintf("stranger%d@example.com", i))
			tt.change(&r)
			mailed(t, s, r)
			got := letters(t, s, r.From)
			if fmt.Sprint(kinds(got)) != tt.want {
				t.Errorf("%d: %v, want %s", i, kinds(got), tt.want)
			}
			if len(got) == 1 && got[0].To != r.From {
				t.Errorf("%d: it goes to %q", i, got[0].To)
			}
			state, err := s.State(context.Background(), keyOf(t, s, r.From))
			must(t, err)
			if (state.Marketing.Choice == consent.Out) != (r.Kind == consent.KindUnsubscribe) {
				t.Errorf("%d: the state is %s", i, state.Encode())
			}
		}
		clean(t, s)
	})
}

// TestOneAnswerADay: a flood from one address is acted on and answered once; a
// notice that falls into the day waits.
func TestOneAnswerADay(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		people(t, s, 2)
		for range 20 {
			r := wish("p0@example.com")
			r.Authenticated = true
			mailed(t, s, r)
		}
		if got := letters(t, s, "p0@example.com"); fmt.Sprint(kinds(got)) != "[answer]" {
			t.Errorf("20 signed mails: %v", kinds(got))
		}
		r := wish("p1@example.com")
		r.Scope = consent.TopicScope(1)
		mailed(t, s, r)
		r.Scope = consent.ScopeSharing
		mailed(t, s, r)
		mailed(t, s, r)
		if got := letters(t, s, "p1@example.com"); fmt.Sprint(kinds(got)) != "[notice notice]" {
			t.Errorf("two things stopped by anybody: %v", kinds(got))
		}
		jobs, err := s.Carry(context.Background(), "privacy", 10)
		must(t, err)
		if len(jobs) != 2 {
			t.Errorf("%d letters leave today, want 2", len(jobs))
		}
		clean(t, s)
	})
}

// TestScopesOfAnOptOutByMail: what a mail names, its sealed address names, or
// everything; and what cannot be done safely is not done.
func TestScopesOfAnOptOutByMail(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		var all []store.Contact
		for i := range 6 {
			all = append(all, store.Contact{Row: i, Email: fmt.Sprintf("q%d@example.com", i), Topics: []string{"product", "events"}, Sharing: true,
				ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
		}
		all[5].Topics = nil // never chose topics
		_, err := s.Import(ctx, all, "", false)
		must(t, err)
		for i, tt := range []struct {
			change func(*consent.Request)
			want   string // product events sharing hold
		}{
			{func(r *consent.Request) { r.Scope = consent.TopicScope(2) }, "in out in false"},
			{func(r *consent.Request) { r.Scope = consent.ScopeSharing }, "in in out false"},
			{func(*consent.Request) {}, "out out in false"},
			{func(r *consent.Request) { r.Kind, r.Scope = consent.KindPreference, "" }, "in in in true"},
			{func(r *consent.Request) {
				r.Link = &consent.Link{Purpose: consent.PurposeOptOut, Address: keyOf(t, s, r.From), Scope: 1}
			}, "out in in false"},
			{func(r *consent.Request) {
				r.Link = &consent.Link{Purpose: consent.PurposeOptOut, Address: keyOf(t, s, r.From), Scope: 1}
			}, "out out in false"},
		} {
			r := wish(all[i].Email)
			tt.change(&r)
			mailed(t, s, r)
			e, err := s.Explain(ctx, r.From)
			must(t, err)
			if got := fmt.Sprintf("%s %s %s %v", e.State.Topics["product"], e.State.Topics["events"], e.State.Sharing, e.State.OnHold); got != tt.want {
				t.Errorf("%d: %s, want %s", i, got, tt.want)
			}
		}
		clean(t, s)
	})
}

// TestUndo: the link brings back what the mail stopped and nothing else, once,
// and only within its time.
func TestUndo(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		_, err := s.Import(ctx, []store.Contact{{Row: 1, Email: "a@example.com", Topics: []string{"product", "events"}, Sharing: true,
			ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}}, "", false)
		must(t, err)
		before, err := s.Explain(ctx, "a@example.com")
		must(t, err)
		mailed(t, s, wish("a@example.com"))
		link := undoLink(t, s, "a@example.com")
		if _, err := s.OptOut(ctx, store.OptOut{Key: link.Address, Topic: 2, Via: consent.ViaOneClick, Authenticated: true}); err != nil {
			t.Fatal(err)
		}
		u, err := s.Undo(ctx, link)
		must(t, err)
		after, err := s.Explain(ctx, "a@example.com")
		must(t, err)
		want := before.State
		want.Topics["events"] = "out" // stopped by their own click meanwhile
		if fmt.Sprint(after.State) != fmt.Sprint(want) || u.Undone.IsZero() {
			t.Errorf("after the undo %+v, want %+v", after.State, want)
		}
		_, err = s.OptOut(ctx, store.OptOut{Key: link.Address, Topic: 1, Via: consent.ViaOneClick, Authenticated: true})
		must(t, err)
		if _, err := s.Undo(ctx, link); !errors.Is(err, store.ErrState) {
			t.Errorf("the second time: %v", err)
		}
		if e, _ := s.Explain(ctx, "a@example.com"); e.State.Topics["product"] != "out" {
			t.Error("a used link turned back a later opt-out")
		}
		other := link
		other.Scope++
		if _, err := s.Undo(ctx, other); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a link to no opt-out: %v", err)
		}
		clean(t, s)
	})
}

// undoLink is the link in the last letter to somebody.
func undoLink(t *testing.T, s *store.Store, email string) consent.Link {
	t.Helper()
	all := letters(t, s, email)
	if len(all) == 0 || all[len(all)-1].Undo == 0 {
		t.Fatalf("no letter to %s has a way back: %v", email, kinds(all))
	}
	link, err := s.Keys().Links.Open(s.UndoToken(keyOf(t, s, email), all[len(all)-1].Undo))
	must(t, err)
	return link
}

// TestCasesAreAnsweredOnce: the question is the answer where there is one, a
// receipt otherwise, and a case asks twice at most.
func TestCasesAreAnsweredOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		people(t, s, 6)
		for i, tt := range []struct {
			kind consent.Kind
			also []consent.Kind
			want string
		}{
			{consent.KindErasure, nil, "[confirm]"}, {consent.KindRectification, nil, "[receipt]"}, {consent.KindComplaint, nil, "[receipt]"},
			{consent.KindGuardian, nil, "[receipt]"}, {consent.KindReview, nil, "[receipt]"},
			{consent.KindErasure, []consent.Kind{consent.KindUnsubscribe}, "[confirm]"},
		} {
			r := wish(fmt.Sprintf("p%d@example.com", i))
			r.Kind, r.Also = tt.kind, tt.also
			f := mailed(t, s, r)
			got := letters(t, s, r.From)
			if f.Outcome != "case" || fmt.Sprint(kinds(got)) != tt.want {
				t.Errorf("%s: %s, %v", tt.kind, f.Outcome, kinds(got))
				continue
			}
			if got[0].Inbound == 0 || got[0].Case == 0 || got[0].InReplyTo == "" || (len(got[0].Scopes) > 0) != (tt.also != nil) {
				t.Errorf("%s: the letter is %+v", tt.kind, got[0])
			}
			mailed(t, s, r)
			if again := letters(t, s, r.From); len(again) != 1 {
				t.Errorf("%s, asked twice at once: %v", tt.kind, kinds(again))
			}
		}
		all, err := s.Cases(ctx, true)
		must(t, err)
		if len(all) != 6 {
			t.Errorf("%d cases", len(all))
		}
		clean(t, s)
	})
}

// TestAForbiddenMailAsksNothing: the case is there for a person, and no letter.
func TestAForbiddenMailAsksNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		people(t, s, 1)
		r := wish("p0@example.com")
		r.Kind, r.NoReply = consent.KindErasure, "malformed-return-path"
		mailed(t, s, r)
		cases, err := s.Cases(context.Background(), true)
		must(t, err)
		if len(cases) != 1 || cases[0].State != consent.CaseOpen || len(letters(t, s, "p0@example.com")) != 0 {
			t.Errorf("cases %+v, letters %v", cases, kinds(letters(t, s, "p0@example.com")))
		}
		clean(t, s)
	})
}

// TestVerifyFindsAForbiddenAnswer plants an answer to a mail that forbids one,
// and a second one to the same mail.
func TestVerifyFindsAForbiddenAnswer(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "heed.db")
	s, err := store.Open(ctx, store.Options{URL: "sqlite:" + path, Keys: filepath.Join(t.TempDir(), "keys")})
	must(t, err)
	defer s.Close()
	must(t, s.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product news"}}, []store.Named{{ID: "files", Name: "Files"}}))
	people(t, s, 2)
	mailed(t, s, wish("p0@example.com"))
	mailed(t, s, wish("p1@example.com"))
	clean(t, s)
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	for i, plant := range []string{`UPDATE inbound SET no_reply = 'list-mail' WHERE id = 1`,
		`INSERT INTO correspondence (id, kind, state, inbound, holder, sealed, created) VALUES (99, 'answer', 'waiting', 2, '', '', 1)`} {
		_, err := db.ExecContext(ctx, plant)
		must(t, err)
		report, err := s.Verify(ctx)
		must(t, err)
		if len(report["I12"].Broken) != i+1 {
			t.Errorf("after %q: %v", plant, report["I12"].Broken)
		}
	}
}

// TestMailsAtTheSameTime: pollers, pages and staff at once, on the same people.
// Nothing fails, each mail has one outcome and one letter at most.
func TestMailsAtTheSameTime(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		const n = 12
		people(t, s, n)
		var all sync.WaitGroup
		for worker := range 4 {
			all.Go(func() {
				for i := range n {
					email := fmt.Sprintf("p%d@example.com", (i*5+worker)%n)
					r := wish(email)
					var err error
					switch worker {
					case 0:
						_, err = s.OptOut(ctx, store.OptOut{Key: keyOf(t, s, email), Topic: 1, Via: consent.ViaOneClick, Authenticated: true})
					case 1:
						r.Kind = consent.KindErasure
						fallthrough
					default:
						no := mailNumber.Add(1)
						_, err = s.RecordMail(ctx, store.Inbound{Mailbox: fmt.Sprint("m", worker), Validity: 1, UID: no, Digest: fmt.Sprint(no), Received: time.Now(), Request: r})
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		clean(t, s)
	})
}
