package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

// to starts a campaign to an audience.
func (b *bench) to(audience string) int64 {
	b.t.Helper()
	ctx := context.Background()
	id, _, err := b.store.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: newsletter, Audience: audience})
	if err == nil {
		err = b.store.Start(ctx, id)
	}
	for done := false; err == nil && !done; {
		done, err = b.store.FanOut(ctx, id)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// twoCrowds stores n people, the first few of whom make a crowd of their own.
func (b *bench) twoCrowds(n, few int) {
	b.t.Helper()
	var all []store.Contact
	for i := range n {
		one := store.Contact{Row: i, Email: fmt.Sprintf("p%d@example.org", i), Company: "large", Topics: []string{"product"},
			ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}
		if i < few {
			one.Company = "small"
		}
		all = append(all, one)
	}
	if _, err := b.store.Import(context.Background(), all, "", false); err != nil {
		b.t.Fatal(err)
	}
}

// meanwhile counts what the large crowd got after so many messages and before the small
// one had its last. What it got until a test looked says something of the test alone.
func (b *bench) meanwhile(before, few int) (n int) {
	large := 0
	for _, r := range b.sink.Records()[before:] {
		var i int
		if fmt.Sscanf(r.To, "p%d@", &i); i < few {
			n = large
		} else {
			large++
		}
	}
	return n
}

// TestCampaignsGoSideBySide: a small campaign that starts while a large one runs is
// over long before that, and takes only its part. Nothing more is on its way than
// with one campaign alone: two batches for each lane.
func TestCampaignsGoSideBySide(t *testing.T) {
	for _, one := range []struct {
		name       string
		large, few int
		most       int           // that the large one may get while the small one goes on
		stall      time.Duration // of each message
		limit      func(o *worker.Options)
		workers    int
	}{
		{name: "as fast as it goes", large: 3000, few: 200, most: 1500, workers: 1},
		{name: "two workers", large: 3000, few: 200, most: 1800, workers: 2},
		{name: "a limit over all", large: 2500, few: 100, most: 1000, workers: 2, limit: func(o *worker.Options) { o.Rate = 200 }},
		{name: "a slow relay", large: 500, few: 20, most: 190, stall: 100 * time.Millisecond, workers: 1},
	} {
		for engine, open := range map[string]func(testing.TB) *store.Store{"sqlite": storetest.Open, "postgres": storetest.OpenPostgres} {
			t.Run(one.name+" "+engine, func(t *testing.T) {
				b := newBench(t, mailertest.Options{EndDelay: one.stall})
				b.store, b.window = open(t), 2*2*one.workers
				b.twoCrowds(one.large, one.few)
				for range one.workers {
					defer b.start(func(o *worker.Options) {
						if o.Connections = 2; one.limit != nil {
							one.limit(o)
						}
					})()
				}
				large := b.to(`company == "large"`)
				b.until(large, func(a store.Account) bool { return a.Accepted >= 20 })
				small := b.to(`company == "small"`)
				before := b.sink.Count()
				b.until(small, func(a store.Account) bool { return a.Accepted == one.few })
				if n := b.meanwhile(before, one.few); n > one.most {
					t.Errorf("while the small campaign went on the large one got %d of %d, at most %d may", n, one.large-one.few, one.most)
				}
			})
		}
	}
}
