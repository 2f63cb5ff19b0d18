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
