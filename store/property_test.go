package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// play is a sequence of random steps about a few addresses.
type play struct {
	*store.Store
	t      *testing.T
	r      *rand.Rand
	now    *time.Time
	emails []string
	links  []consent.Link // of sign-ups
	undos  []consent.Link
	n      int

	o       store.Options
	seller  *store.Store // opened when a business is taken over first
	backups []backedUp
	copied  map[string]consent.State // what the copy held that was just put back
}

// backedUp is a copy of the database, and what stood in it.
type backedUp struct {
	file   string
	states map[string]consent.State
}

func (p *play) email() string { return p.emails[p.r.IntN(len(p.emails))] }

func (p *play) key(email string) consent.Key { return keyOf(p.t, p.Store, email) }

func (p *play) scope() consent.Scope {
	return []consent.Scope{consent.ScopeMarketing, consent.ScopePartner, consent.ScopeSharing, consent.TopicScope(1), consent.TopicScope(2)}[p.r.IntN(5)]
}

// sometime is some time of the last days, mostly long ago, sometimes later than now
// by the clock of somebody else.
func (p *play) sometime() time.Time { return p.now.Add(-time.Duration(p.r.IntN(72)) * time.Hour) }

func (p *play) topics() (all []string) {
	for _, one := range []string{"product", "events"} {
		if p.r.IntN(2) == 0 {
			all = append(all, one)
		}
	}
	return all
}

// own are the steps that are the person's own affirmative act.
var own = []string{"click", "page", "centre", "undo"}

// steps are the ways on which something is written down about a person, by whoever.
var steps = map[string]func(*play) error{
	"import": func(p *play) error {
		_, err := p.Import(context.Background(), []store.Contact{{Row: 2, Email: p.email(), Topics: p.topics(), PartnerOffers: p.r.IntN(2) == 0, Sharing: p.r.IntN(2) == 0,
			ConsentAt: p.sometime(), ConsentSource: "list", ConsentText: "yes", ExternalID: fmt.Sprint("x", p.r.Int64())}}, "file", p.r.IntN(4) == 0)
		return err
	},
	"api": func(p *play) error {
		_, _, err := p.Choose(context.Background(), p.key(p.email()), nil, []consent.Scope{p.scope(), p.scope()}, store.Agreement{At: p.sometime(), Source: "account", Text: "yes"}, *p.now)
		return err
	},
	"api no": func(p *play) error {
		_, _, err := p.Choose(context.Background(), p.key(p.email()), []consent.Scope{p.scope()}, nil, store.Agreement{}, *p.now)
		return err
	},
	"optout": func(p *play) error {
		via := []consent.Via{consent.ViaPage, consent.ViaOneClick, consent.ViaStaff, consent.ViaSpamReport, consent.ViaAPI}[p.r.IntN(5)]
		_, err := p.OptOut(context.Background(), store.OptOut{Key: p.key(p.email()), Scope: p.scope(), Received: p.sometime(), Via: via, Authenticated: p.r.IntN(2) == 0})
		return err
	},
	"mail": func(p *play) error {
		email, scope := p.email(), p.scope()
		r := consent.Request{Kind: consent.KindUnsubscribe, Scope: scope, From: email, Language: "en", Sure: 0.9, Authenticated: p.r.IntN(2) == 0}
		n := mailNumber.Add(1)
		_, err := p.RecordMail(context.Background(), store.Inbound{Mailbox: "u", Role: "unsubscribe", Validity: 1, UID: n, Digest: fmt.Sprint("d", n),
			MessageID: fmt.Sprintf("<%d@example.net>", n), Received: p.sometime(), Request: r})
		if err != nil {
			return err
		}
		all, err := p.Letters(context.Background(), p.key(email))
		for _, one := range all {
			if one.Undo != 0 {
				l, err := p.Keys().Links.Open(p.UndoToken(p.key(email), one.Undo))
				if err != nil {
					return err
				}
				p.undos = append(p.undos, l)
			}
		}
		return err
	},
	"undo": func(p *play) error {
		if len(p.undos) == 0 {
			return nil
		}
		_, err := p.Undo(context.Background(), p.undos[p.r.IntN(len(p.undos))])
		return err
	},
	"suppress": func(p *play) error {
		_, _, err := p.Suppress(context.Background(), []store.Suppression{{Row: 2, Email: p.email(), Scope: []string{"all", "topic:product"}[p.r.IntN(2)], At: p.sometime(), Source: "list"}})
		return err
	},
	"form": func(p *play) error {
		f := form(p.email(), append(p.topics(), "product")...)
		f.PartnerOffers, f.Sharing, f.Network = p.r.IntN(2) == 0, p.r.IntN(2) == 0, fmt.Sprint("n", p.r.Int64())
		if err := p.SignUp(context.Background(), f); err != nil {
			return err
		}
		all, err := p.Letters(context.Background(), p.key(f.Email))
		for _, one := range all {
			if one.Kind == store.WriteSignUp && one.Change != 0 {
				l, err := p.Keys().Links.Open(p.SignUpToken(p.key(f.Email), one.Change))
				if err != nil {
					return err
				}
				p.links = append(p.links, l)
			}
		}
		return err
	},
	"click": func(p *play) error {
		if len(p.links) == 0 {
			return nil
		}
		_, err := p.ConfirmSignUp(context.Background(), p.links[p.r.IntN(len(p.links))], store.Click{Received: *p.now})
		return err
	},
	"page": func(p *play) error { return p.OwnYes(context.Background(), p.key(p.email()), p.scope()) },
	"centre": func(p *play) error { // the page of choices, behind a link that was mailed to the address
		choice := []consent.Choice{consent.In, consent.Out}[p.r.IntN(2)]
		_, err := p.RecordWishes(context.Background(), store.Choosing{Key: p.key(p.email()), Received: *p.now, Wording: "my choice",
			Wishes: []store.Wish{{Scope: p.scope(), Choice: choice, Sure: p.r.IntN(2) == 0}}})
		return err
	},
	"publish": func(p *play) error {
		p.n++
		v := store.Publication{PolicyVersion: consent.NewPolicyVersion(fmt.Sprintf("v%d-%d", p.r.Int64N(1<<40), p.n), []byte("x")), Material: p.r.IntN(2) == 0}
		_, err := p.PublishPolicy(context.Background(), v)
		*p.now = p.now.Add(store.PolicyNotice / 4)
		if err == nil || errors.Is(err, store.ErrRefused) {
			_, err = p.ActivatePolicy(context.Background())
		}
		return err
	},
	"agree": func(p *play) error {
		_, v, err := p.PolicyNow(context.Background())
		if err != nil || v.ID == "" {
			return err
		}
		l, err := p.Keys().Links.Open(p.AgreeToken(p.key(p.email()), v))
		if err != nil {
			return err
		}
		_, err = p.Agree(context.Background(), l, store.Click{})
		return err
	},
	"move": func(p *play) error {
		c, err := p.MoveContact(context.Background(), p.email(), p.email(), 0, "kim")
		for _, half := range []consent.Key{c.Old, c.New} {
			if err != nil {
				return err
			}
			l, failed := p.Keys().Links.Open(p.Half(c, half))
			if failed != nil {
				return failed
			}
			_, err = p.ConfirmMove(context.Background(), l)
		}
		return err
	},
	"account": func(p *play) error {
		_, err := p.RegisterAccount(context.Background(), store.Contact{Email: p.email(), ExternalID: fmt.Sprint("a", p.r.Int64())})
		return err
	},
	"bounce": func(p *play) error { return p.Strike(context.Background(), p.key(p.email())) },
	"case": func(p *play) error { // a deletion, a copy, or one that is closed again by staff
		kind := []consent.CaseKind{consent.CaseErasure, consent.CaseAccess, consent.CaseObjection}[p.r.IntN(3)]
		id, err := p.OpenCase(context.Background(), store.Report{Kind: kind, Email: p.email(), Mailbox: "desk"})
		if err != nil {
			return err
		}
		if p.r.IntN(2) == 0 || kind == consent.CaseObjection {
			_, err = p.Resolve(context.Background(), id, store.Resolution{Outcome: "done by hand", By: "kim"})
			return err
		}
		c, err := p.Case(context.Background(), id)
		if err != nil {
			return err
		}
		token, err := p.ConfirmLink(c)
		if err != nil {
			return err
		}
		l, err := p.Keys().Links.Open(token)
		if err != nil {
			return err
		}
		if _, err = p.Confirm(context.Background(), l); err != nil || kind != consent.CaseErasure {
			return err
		}
		return p.Erase(context.Background(), id)
	},
	"backup": func(p *play) error {
		p.n++
		file := filepath.Join(p.t.TempDir(), fmt.Sprint("backup", p.n))
		states := p.states()
		_, err := p.Backup(context.Background(), file)
		p.backups = append(p.backups, backedUp{file, states})
		return err
	},
	"restore": func(p *play) error { // an older copy comes back, and the next start replays the journal
		if p.copied = p.states(); len(p.backups) == 0 {
			return nil
		}
		one := p.backups[p.r.IntN(len(p.backups))]
		if err := errors.Join(p.TendJournal(context.Background()), p.Close()); err != nil {
			return err
		}
		_, err := store.Restore(context.Background(), p.o, one.file)
		p.copied = one.states
		return errors.Join(err, p.open())
	},
	"takeover": func(p *play) error { // of a business whose people are partly ours
		bundle, fingerprint, err := p.bundle()
		if err != nil {
			return err
		}
		_, err = p.ImportTransfer(context.Background(), bundle, fingerprint, store.StaffAct{Staff: "kim"})
		return err
	},
	"time": func(p *play) error {
		*p.now = p.now.Add(time.Duration(p.r.IntN(60)) * time.Hour)
		_, err := p.ExpireSignUps(context.Background())
		return err
	},
}

// expected are refusals that a step may meet: a wrong state, nobody stored.
func expected(err error) bool {
	for _, one := range []error{store.ErrNotFound, store.ErrState, store.ErrRefused, store.ErrTaken, store.ErrTooMany, store.ErrBusy} {
		if errors.Is(err, one) {
			return true
		}
	}
	return err == nil
}

// refusedNow tells whether a no stands against a scope: by itself, to everything, on
// a list, or by an erasure.
func refusedNow(s consent.State, scope consent.Scope) bool {
	mark := markOf(s, scope)
	if mark.Choice == consent.In {
		return s.Erased != 0
	}
	return mark.Choice == consent.Out || s.Erased != 0 || s.Suppressed != 0 || scope != consent.ScopeSharing && s.Marketing.Choice == consent.Out
}

func markOf(s consent.State, scope consent.Scope) consent.Mark {
	switch topic, is := scope.Topic(); {
	case is:
		return s.Topics[topic]
	case scope == consent.ScopePartner:
		return s.Partner
	case scope == consent.ScopeSharing:
		return s.Sharing
	}
	return s.Marketing
}

// TestNothingButOnesOwnActTurnsANoIntoAYes plays random sequences of everything that
// writes about a person. After each step, whatever was refused before is refused
// still, unless the step was the person's own click; and no yes has come to count for
// another version of the policy but by a click either.
func TestNothingButOnesOwnActTurnsANoIntoAYes(t *testing.T) {
	for name, one := range map[string]struct {
		url   func(t *testing.T) string
		plays int
	}{
		"sqlite":   {func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "heed.db") }, 50},
		"postgres": {func(t *testing.T) string { return storetest.QuickPostgres(t) }, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			playAll(t, one.url(t), one.plays)
		})
	}
}

// bundle is what a seller hands over, who knows some of our people, what they
// chose there, and one whom nobody there knows any more.
func (p *play) bundle() (*bytes.Reader, string, error) {
	ctx := context.Background()
	if p.seller == nil {
		p.seller = opened(p.t, store.Options{URL: "sqlite:" + filepath.Join(p.t.TempDir(), "seller.db"), Keys: filepath.Join(p.t.TempDir(), "seller"),
			Policy: consent.NewPolicyVersion("theirs", []byte("other")), Now: p.o.Now})
	}
	_, err := p.seller.Import(ctx, []store.Contact{{Row: 2, Email: p.email(), Topics: []string{"product"}, PartnerOffers: true, Sharing: true,
		ConsentAt: p.sometime(), ConsentSource: "list", ConsentText: "yes"}}, "file", false)
	if err != nil {
		return nil, "", err
	}
	scope := []consent.Scope{consent.ScopeMarketing, consent.ScopePartner, consent.ScopeSharing, consent.TopicScope(1)}[p.r.IntN(4)]
	if _, err := p.seller.OptOut(ctx, store.OptOut{Key: keyOf(p.t, p.seller, p.email()), Scope: scope, Received: p.sometime(), Via: consent.ViaPage}); err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	sum, err := p.seller.ExportTransfer(ctx, &out, "Harbour", store.StaffAct{Staff: "ann", Second: "bo"})
	return bytes.NewReader(out.Bytes()), sum.Fingerprint, err
}

// open starts heed anew on the same database, keys and journal.
func (p *play) open() (err error) {
	if p.Store, err = store.Open(context.Background(), p.o); err != nil {
		return err
	}
	return p.SyncTopics(context.Background(), []store.Named{{ID: "product", Name: "P"}, {ID: "events", Name: "E"}}, nil)
}

func playAll(t *testing.T, url string, plays int) {
	now := time.Now()
	p := &play{t: t, now: &now, o: store.Options{URL: url, Keys: filepath.Join(t.TempDir(), "keys"), Journal: filepath.Join(t.TempDir(), "journal"),
		Policy: consent.NewPolicyVersion("first", []byte("text")), Now: func() time.Time { return now }}}
	must(t, p.open())
	defer func() { p.Close() }()
	counted, turned := map[string]int{}, 0
	for seed := range plays {
		*p = play{Store: p.Store, t: t, r: rand.New(rand.NewPCG(uint64(seed), 7)), now: &now, o: p.o}
		for i := range 3 {
			p.emails = append(p.emails, fmt.Sprintf("p%d.%d@example.org", seed, i))
		}
		turned += p.run(seed, 32, counted)
	}
	clean(t, p.Store)
	for name := range steps {
		if counted[name] == 0 && plays >= 50 { // a few plays are a sample
			t.Errorf("the step %s was never walked to its end", name)
		}
	}
	if turned < plays/4 {
		t.Errorf("only %d noes became a yes by a click: the test looks at too little", turned)
	}
}

func (p *play) run(seed, length int, counted map[string]int) (turned int) {
	names := slices.Sorted(maps.Keys(steps))
	var told []string
	for range length {
		name := names[p.r.IntN(len(names))]
		before := p.states()
		err := steps[name](p)
		if !expected(err) {
			p.t.Fatalf("seed %d: %v, then %s gave %v", seed, told, name, err)
		}
		if err == nil {
			counted[name]++
		}
		told = append(told, name)
		for email, was := range before {
			is := stateOf(p.t, p.Store, p.key(email))
			turned += p.judge(seed, told, email, was, is)
		}
		*p.now = p.now.Add(time.Minute)
	}
	return turned
}

func (p *play) states() map[string]consent.State {
	all := map[string]consent.State{}
	for _, email := range p.emails {
		all[email] = stateOf(p.t, p.Store, p.key(email))
	}
	return all
}

func (p *play) judge(seed int, told []string, email string, was, is consent.State) (turned int) {
	step := told[len(told)-1]
	for _, scope := range []consent.Scope{consent.ScopeMarketing, consent.ScopePartner, consent.ScopeSharing, consent.TopicScope(1), consent.TopicScope(2)} {
		before, after := markOf(was, scope), markOf(is, scope)
		yes := after.Choice == consent.In && is.Erased == 0
		switch {
		case refusedNow(was, scope) && yes && !slices.Contains(own, step):
			p.t.Errorf("seed %d: after %v the no of %s to %s is a yes: %s, then %s", seed, told, email, scope, was.Encode(), is.Encode())
		case refusedNow(was, scope) && yes:
			turned++
		case step == "restore" && yes && after != markOf(p.copied[email], scope):
			p.t.Errorf("seed %d: after %v the yes of %s to %s is none of the copy: %s, then %s", seed, told, email, scope, p.copied[email].Encode(), is.Encode())
		case step == "restore":
		case before.Choice == consent.In && after.Choice == consent.In && before.Policy != after.Policy && !slices.Contains(append(own, "agree"), step):
			p.t.Errorf("seed %d: after %v the yes of %s to %s counts for another version: %s, then %s", seed, told, email, scope, was.Encode(), is.Encode())
		}
	}
	return turned
}
