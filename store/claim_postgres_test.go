package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// SQLite has one writer, so that the simulation never sees two transactions at
// once. Here a third connection holds one of them up at the place that matters.

// twoAtOnce is a campaign to one person on PostgreSQL, and the connection that
// holds others up.
type twoAtOnce struct {
	t    *testing.T
	s    *store.Store
	desk *store.Desk
	ask  store.Ask
	hold *pgx.Conn
	look *pgx.Conn // sees who waits; inside a transaction that would stand still
}

func newTwoAtOnce(t *testing.T) *twoAtOnce {
	ctx, url := context.Background(), storetest.QuickPostgres(t)
	s, err := store.Open(ctx, store.Options{URL: url, Keys: t.TempDir(), Limits: consent.Policy{AlertCap: 4}})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	must(t, s.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product news"}, {ID: "events", Name: "Events"}}, []store.Named{{ID: "files", Name: "Files"}}))
	key := ann(t, s)
	id := campaign(t, s)
	b := &twoAtOnce{t: t, s: s, desk: desk(t, s, "w"), ask: store.Ask{Campaign: id, Address: key}}
	for _, one := range []**pgx.Conn{&b.look, &b.hold} { // closed before the desk, which may be held up
		*one, err = pgx.Connect(ctx, url)
		must(t, err)
		t.Cleanup(func() { (*one).Close(ctx) })
	}
	return b
}

func (b *twoAtOnce) do(query string, args ...any) {
	b.t.Helper()
	if _, err := b.hold.Exec(context.Background(), query, args...); err != nil {
		b.t.Fatal(err)
	}
}

// claim asks for the message, and opt opts out and waits for the answer.
func (b *twoAtOnce) claim() <-chan store.Verdict {
	answer := make(chan store.Verdict, 1)
	go func() {
		v, err := b.desk.Claim(context.Background(), b.ask)
		if err != nil {
			b.t.Error(err)
		}
		answer <- v
	}()
	return answer
}

func (b *twoAtOnce) optOut() <-chan int {
	answer := make(chan int, 1)
	go func() {
		ctx := context.Background()
		_, err := b.s.OptOut(ctx, store.OptOut{Key: b.ask.Address, Topic: 1, Via: consent.ViaOneClick, Authenticated: true})
		n := 0
		if err == nil {
			n, err = b.s.AwaitClaims(ctx, []consent.Key{b.ask.Address})
		}
		if err != nil {
			b.t.Error(err)
		}
		answer <- n
	}()
	return answer
}

// held waits until n connections wait for a lock, or until is closed or told
// something; it gives what it was told.
func (b *twoAtOnce) held(n int, until <-chan int) (told []int) {
	b.t.Helper()
	for range 2000 {
		var waiting int
		must(b.t, b.look.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
		if waiting >= n {
			return nil
		}
		select {
		case one := <-until:
			return []int{one}
		case <-time.After(5 * time.Millisecond):
		}
	}
	b.t.Fatalf("nobody waits")
	return nil
}

// TestOptOutWaitsForTheClaimBeforeIt: an opt-out that comes while a claim has
// read and not yet written waits for its commit.
func TestOptOutWaitsForTheClaimBeforeIt(t *testing.T) {
	b := newTwoAtOnce(t)
	b.do(`BEGIN`)
	b.do(`LOCK TABLE claim IN SHARE MODE`)
	verdict := b.claim()
	b.held(1, nil)
	answer := b.optOut()
	early := b.held(2, answer)
	b.do(`COMMIT`)
	v := <-verdict
	if len(early) > 0 && early[0] == 0 && v.Granted {
		t.Fatal("a message was granted after the opt-out was acknowledged with nothing in flight")
	}
	if !v.Granted {
		t.Errorf("the claim came first and got %+v", v)
	}
	b.desk.Finish(store.Result{Ask: b.ask, Token: v.Token, Outcome: store.Accepted, EndAt: time.Now()})
	if len(early) == 0 {
		<-answer
	}
}

// TestMoveDuringAFanOut: a fan-out is about to write the row of a person when a change
// of address takes along what waits for them. The message goes to the new address.
func TestMoveDuringAFanOut(t *testing.T) {
	b, ctx := newTwoAtOnce(t), context.Background()
	id, _, err := b.s.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
	must(t, err)
	must(t, b.s.Start(ctx, id))
	c, err := b.s.MoveContact(ctx, "ann@example.com", "moved@example.com", 0, "kim")
	must(t, err)
	clicks(t, b.s, c, c.New)
	b.do(`CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(-1); RETURN NULL; END'`)
	b.do(`CREATE TRIGGER held BEFORE INSERT ON delivery FOR EACH STATEMENT EXECUTE FUNCTION held()`)
	b.do(`BEGIN`)
	b.do(`SELECT pg_advisory_xact_lock(-1)`)
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := b.s.FanOut(ctx, id); err != nil {
			t.Error(err)
		}
	})
	b.held(1, nil)
	both.Go(func() { clicks(t, b.s, c, c.Old) })
	b.held(2, nil)
	b.do(`COMMIT`)
	both.Wait()
	waiting, err := b.s.Messages(ctx, id, "", 10)
	if err != nil || len(waiting) != 1 || waiting[0].Address != c.New {
		t.Errorf("the campaign goes to %+v, %v", waiting, err)
	}
	clean(t, b.s)
}

// TestClaimDecidesOnWhatIsCommitted: a claim that waited for a lock decides on
// what was committed meanwhile.
func TestClaimDecidesOnWhatIsCommitted(t *testing.T) {
	b := newTwoAtOnce(t)
	b.do(`BEGIN`)
	b.do(`SELECT pg_advisory_xact_lock($1)`, b.ask.Campaign)
	verdict := b.claim()
	b.held(1, nil)
	if n := <-b.optOut(); n != 0 {
		t.Fatalf("%d in flight", n)
	}
	b.do(`COMMIT`)
	if v := <-verdict; v.Skipped != consent.OptedOut {
		t.Errorf("a claim got %+v after the opt-out was acknowledged", v)
	}
}
