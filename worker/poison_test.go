package worker_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

// hurried is a bench on which time passes a thousand times as fast, so that long
// waits are over soon, and the URL of its database.
func hurried(t *testing.T) (b *bench, url string, now func() time.Time) {
	began := time.Now()
	now = func() time.Time { return began.Add(1000 * time.Since(began)) }
	b = newBench(t, mailertest.Options{})
	url = "sqlite:" + filepath.Join(t.TempDir(), "heed.db")
	b.store = storetest.OpenWith(t, func(o *store.Options) { o.URL, o.Now = url, now })
	return b, url, now
}

// given waits for a job that is given up.
func (b *bench) givenUp() (f store.FailingJob) {
	b.t.Helper()
	b.holds("a job that is given up", func() bool {
		all, err := b.store.FailingJobs(context.Background())
		if err != nil {
			b.t.Fatal(err)
		}
		for _, one := range all {
			if one.Again.IsZero() {
				f = one
			}
		}
		return f.ID != 0
	})
	return f
}

// TestOneMessageThatFailsKeepsNoOtherWaiting: of a hundred people the details of one
// cannot be read. The others get the campaign; that one's batch is given up, the
// campaign does not end without them, and once that is mended they get it too.
func TestOneMessageThatFailsKeepsNoOtherWaiting(t *testing.T) {
	ctx := context.Background()
	b, url, now := hurried(t)
	id := b.campaign(100)
	storetest.Plant(t, url, "", `UPDATE person SET attrs = '{' WHERE email = 'p41@example.org'`)
	defer b.start(func(o *worker.Options) { o.Now = now })()
	b.until(id, func(a store.Account) bool { return a.Accepted == 99 })
	f := b.givenUp()
	if ended, err := b.store.FinishCampaigns(ctx); err != nil || len(ended) > 0 {
		t.Errorf("the campaign is over without one of its people: %v, %v", ended, err)
	}
	held, err := b.store.HeldBy(ctx, id)
	if err != nil || held["job:failed"] != 1 || f.Campaign != id || f.Kind != "send" {
		t.Errorf("held %v, given up %+v, %v", held, f, err)
	}
	storetest.Plant(t, url, "", `UPDATE person SET attrs = '{}' WHERE email = 'p41@example.org'`)
	if err := b.store.RetryJob(ctx, f.ID); err != nil {
		t.Fatal(err)
	}
	b.until(id, func(a store.Account) bool { return a.Accepted == 100 })
	b.holds("the end of the campaign", func() bool {
		ended, err := b.store.FinishCampaigns(ctx)
		return err == nil && len(ended) == 1
	})
	if all, err := b.store.FailingJobs(ctx); err != nil || len(all) > 0 {
		t.Errorf("what was mended still counts as failing: %+v, %v", all, err)
	}
}

// TestALetterThatCannotBeReadIsGivenUp: the key under which it was sealed is
// another one now. It is tried ever less often, told to a person, and kept until
// they drop it; a letter behind it goes.
func TestALetterThatCannotBeReadIsGivenUp(t *testing.T) {
	ctx := context.Background()
	b, url, now := hurried(t)
	ask := func(who string) {
		t.Helper()
		_, err := b.store.Import(ctx, []store.Contact{{Email: who, Language: "en"}}, "", false)
		if err == nil {
			_, err = b.store.OpenCase(ctx, store.Report{Kind: consent.CaseErasure, Email: who, Mailbox: "desk"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ask("ann@example.org")
	storetest.Plant(t, url, "", `UPDATE correspondence SET sealed = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'`)
	ask("bob@example.org")
	defer b.start(func(o *worker.Options) { o.Now = now })()
	f := b.givenUp()
	if f.Kind != "write" || b.sink.Count() != 1 || b.sink.Records()[0].To != "bob@example.org" {
		t.Errorf("given up %+v; %d letters went out", f, b.sink.Count())
	}
	if kinds, err := b.store.FailingKinds(ctx); err != nil || kinds["write"] != 1 {
		t.Errorf("a person is told of %v, %v", kinds, err)
	}
	if err := b.store.DropJob(ctx, f.ID); err != nil {
		t.Fatal(err)
	}
	if kinds, err := b.store.FailingKinds(ctx); err != nil || len(kinds) > 0 {
		t.Errorf("after it was dropped a person is told of %v, %v", kinds, err)
	}
}

// TestErasuresAreNeverGivenUp: what the law wants done is tried for ever, whatever
// stands in the way, while a person is told of it.
func TestErasuresAreNeverGivenUp(t *testing.T) {
	ctx := context.Background()
	b, url, now := hurried(t)
	defer b.start(func(o *worker.Options) { o.Now = now })()
	id := b.erases(ctx, store.Contact{Email: "ann@example.org", Language: "en"})
	storetest.Plant(t, url, "", `UPDATE job SET subject = 999 WHERE kind = 'erase'`) // no such case
	b.holds("an alarm", func() bool {
		all, err := b.store.FailingJobs(ctx)
		return err == nil && len(all) == 1 && all[0].Kind == "erase" && all[0].Failures > 14 && !all[0].Again.IsZero()
	})
	if kinds, err := b.store.FailingKinds(ctx); err != nil || kinds["erase"] != 1 {
		t.Errorf("a person is told of %v, %v", kinds, err)
	}
	storetest.Plant(t, url, "", `UPDATE job SET subject = 1, due = 0 WHERE kind = 'erase'`)
	b.holds("the deletion", func() bool {
		done, err := b.store.Certificate(ctx, id)
		return err == nil && !done.Ended.IsZero()
	})
}
