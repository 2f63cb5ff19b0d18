package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// walk is a store on its way through all states.
type walk struct {
	*store.Store
	t   *testing.T
	now time.Time
}

func (w *walk) draft() int64 {
	w.t.Helper()
	id, _, err := w.AddCampaign(context.Background(), store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
	must(w.t, err)
	return id
}

func (w *walk) scheduled(by time.Duration) int64 {
	w.t.Helper()
	id := w.draft()
	var last time.Time
	if by != 0 {
		last = w.now.Add(by)
	}
	must(w.t, w.Schedule(context.Background(), id, w.now.Add(time.Minute), last))
	return id
}

func (w *walk) started() int64 {
	w.t.Helper()
	id := w.draft()
	must(w.t, w.Start(context.Background(), id))
	return id
}

func (w *walk) campaigns() {
	ctx := context.Background()
	begins, missed := w.scheduled(0), w.scheduled(2*time.Minute)
	must(w.t, w.Fail(ctx, w.scheduled(0), "broken"))
	w.now = w.now.Add(time.Hour)
	must(w.t, w.StartDue(ctx))
	for id, want := range map[int64]string{begins: "sending", missed: "missed"} {
		if c, err := w.Campaign(ctx, id); err != nil || c.State != want {
			w.t.Errorf("campaign %d is %s instead of %s, %v", id, c.State, want, err)
		}
	}
	must(w.t, w.Fail(ctx, begins, "broken"))
	paused := w.started()
	_, err := w.Pause(ctx, paused, "")
	must(w.t, err)
	must(w.t, w.Resume(ctx, paused))
	_, err = w.Pause(ctx, paused, "")
	must(w.t, err)
	for _, id := range []int64{w.draft(), w.scheduled(0), w.started(), paused} {
		_, err := w.Cancel(ctx, id)
		must(w.t, err)
	}
}

// deliveries sends a campaign that goes wrong in all ways.
func (w *walk) deliveries() {
	ctx := context.Background()
	people(w.t, w.Store, 12)
	w.optOut(0)
	id := campaign(w.t, w.Store)
	d := desk(w.t, w.Store, "w1")
	j := w.begun()
	w.outcome(d, id, 1, store.Accepted)
	w.outcome(d, id, 2, store.Refused)
	w.outcome(d, id, 3, store.Deferred)
	w.outcome(d, id, 4, store.Uncertain)
	w.outcome(d, id, 10, store.Expired)
	w.optOut(9)
	if v, err := d.Claim(ctx, w.ask(id, 9)); err != nil || v.Skipped == "" {
		w.t.Fatalf("who opted out gets %+v, %v", v, err)
	}
	asleep := desk(w.t, w.Store, "w2")
	var tokens []int64
	for person := 5; person <= 8; person++ {
		v, err := asleep.Claim(ctx, w.ask(id, person))
		must(w.t, err)
		tokens = append(tokens, v.Token)
	}
	must(w.t, w.EndJob(ctx, j, w.now))
	w.begun()
	must(w.t, w.Unregister(ctx, "w1"))
	must(w.t, w.Unregister(ctx, "w2"))
	for range 10 { // until no end of theirs can be written any more
		_, err := w.Sweep(ctx) // both are gone: claims are uncertain, the job is ready
		must(w.t, err)
		w.now = w.now.Add(time.Second)
	}
	for i, late := range []store.Outcome{store.Accepted, store.Refused, store.GivenBack, store.Expired} {
		asleep.Finish(store.Result{Ask: w.ask(id, 5+i), Token: tokens[i], Outcome: late, EndAt: w.now, Due: w.now})
	}
	must(w.t, asleep.Flush(ctx))
	w.again(id, d)
}

// again tries once more what was put off, ran out of time or is uncertain.
func (w *walk) again(id int64, d *store.Desk) {
	ctx := context.Background()
	must(w.t, w.Register(ctx, "w1", "worker", 1))
	for _, who := range []store.Resent{store.ResendMissing, store.ResendUncertain} {
		_, err := w.Resend(ctx, id, who)
		must(w.t, err)
	}
	for n := 1; n > 0; {
		var err error
		n, err = w.Requeue(ctx)
		must(w.t, err)
	}
	jobs, err := w.Carry(ctx, "newsletter", 10)
	must(w.t, err)
	must(w.t, w.Recarry(ctx, jobs[0]))
	for j, ok := w.next(); ok; j, ok = w.next() {
		letters, err := w.Batch(ctx, j)
		must(w.t, err)
		for _, letter := range letters {
			v, err := d.Claim(ctx, letter.Ask)
			must(w.t, err)
			outcome := store.Accepted
			if letter.Ask == w.ask(id, 4) {
				outcome = store.Uncertain // again
			}
			d.Finish(store.Result{Ask: letter.Ask, Token: v.Token, Outcome: outcome, EndAt: w.now})
		}
		must(w.t, d.Flush(ctx))
		must(w.t, w.EndJob(ctx, j, time.Time{}))
	}
	if ended, err := w.FinishCampaigns(ctx); err != nil || !slices.Contains(ended, id) {
		w.t.Fatalf("finished %v, %v", ended, err)
	}
	_, err = w.Resend(ctx, id, store.ResendUncertain) // what is done sends again
	must(w.t, err)
	other := campaign(w.t, w.Store)
	w.outcome(d, other, 3, store.Deferred)
	_, err = w.Cancel(ctx, other)
	must(w.t, err)
}

// failures gives up a batch, which is tried again, and a letter, which is dropped.
func (w *walk) failures() {
	ctx := context.Background()
	campaign(w.t, w.Store)
	j := w.begun()
	must(w.t, w.FailJob(ctx, j, w.now, true))
	must(w.t, w.RetryJob(ctx, j.ID))
	w.opens(consent.KindErasure, 11)
	jobs, err := w.Carry(ctx, "privacy", 20)
	must(w.t, err)
	letter, _, err := w.Begin(ctx, jobs[0].ID, jobs[0].Generation, "w1")
	must(w.t, err)
	must(w.t, w.FailJob(ctx, letter, w.now, true))
	must(w.t, w.DropJob(ctx, letter.ID))
}

func (w *walk) ask(id int64, person int) store.Ask {
	return store.Ask{Campaign: id, Address: keyOf(w.t, w.Store, fmt.Sprintf("p%d@example.com", person))}
}

func (w *walk) optOut(person int) {
	w.t.Helper()
	_, err := w.OptOut(context.Background(), store.OptOut{Key: keyOf(w.t, w.Store, fmt.Sprintf("p%d@example.com", person)), Topic: 1, Via: consent.ViaOneClick})
	must(w.t, err)
}

func (w *walk) outcome(d *store.Desk, id int64, person int, outcome store.Outcome) {
	w.t.Helper()
	v, err := d.Claim(context.Background(), w.ask(id, person))
	must(w.t, err)
	if !v.Granted {
		w.t.Fatalf("the claim of p%d is %+v", person, v)
	}
	d.Finish(store.Result{Ask: w.ask(id, person), Token: v.Token, Outcome: outcome, EndAt: w.now, Due: w.now})
	must(w.t, d.Flush(context.Background()))
}

// next begins a job that is ready or carried, if there is one.
func (w *walk) next() (store.Job, bool) {
	w.t.Helper()
	ctx := context.Background()
	jobs, err := w.Carry(ctx, "newsletter", 20)
	must(w.t, err)
	carried, err := w.Carried(ctx, -time.Second)
	must(w.t, err)
	for _, one := range append(jobs, carried...) {
		if j, ok, err := w.Begin(ctx, one.ID, one.Generation, "w1"); err != nil || ok {
			must(w.t, err)
			return j, true
		}
	}
	return store.Job{}, false
}

func (w *walk) begun() store.Job {
	w.t.Helper()
	j, ok := w.next()
	if !ok {
		w.t.Fatal("there is no job")
	}
	return j
}

// cases ends cases of each kind in each way.
func (w *walk) cases() {
	ctx := context.Background()
	ends := func(id int64, refused bool) {
		_, err := w.Resolve(ctx, id, store.Resolution{Outcome: "x", Refused: refused, By: "staff", Quiet: true})
		must(w.t, err)
	}
	for i, refused := range []bool{true, false} {
		ends(w.opens(consent.KindReview, 1), refused)
		ends(w.opens(consent.KindErasure, 2+i), refused)
		ends(w.confirmed(4+i), refused)
	}
	must(w.t, w.Erase(ctx, w.confirmed(6)))
	_, err := w.ConfirmByStaff(ctx, w.opens(consent.KindErasure, 7), store.Proof{By: "a", Second: "b", How: "passport"})
	must(w.t, err)
	guardian := w.opens(consent.KindGuardian, 8)
	_, err = w.GuardianErase(ctx, store.GuardianAct{Case: guardian, Child: "p9@example.com", By: "a", Second: "b", Evidence: "birth certificate"})
	must(w.t, err)
}

// signUps has one sign-up confirmed, and one run out.
func (w *walk) signUps() {
	ctx := context.Background()
	link, _ := signedUp(w.t, w.Store, form("s0@example.com", "product"))
	_, err := w.ConfirmSignUp(ctx, link, store.Click{})
	must(w.t, err)
	signedUp(w.t, w.Store, form("s1@example.com", "product"))
	w.now = w.now.Add(store.SignUpFor + time.Second)
	n, err := w.ExpireSignUps(ctx)
	if err != nil || n != 1 {
		w.t.Fatalf("%d sign-ups have run out, %v", n, err)
	}
}

// versions has one version of the policy follow the other, and one taken back.
func (w *walk) versions() {
	ctx := context.Background()
	for _, one := range []struct {
		id       string
		material bool
	}{{"v1", false}, {"v2", false}, {"v3", true}, {"v4", true}} {
		_, err := w.PublishPolicy(ctx, store.Publication{PolicyVersion: consent.NewPolicyVersion(one.id, []byte("text")), Material: one.material})
		must(w.t, err)
		if one.id == "v3" {
			w.now = w.now.Add(store.PolicyNotice)
			_, err = w.ActivatePolicy(ctx)
			must(w.t, err)
		}
	}
	must(w.t, w.WithdrawPolicy(ctx, "v4"))
}

// opens writes a mail that opens a case.
func (w *walk) opens(kind consent.Kind, person int) int64 {
	w.t.Helper()
	r := wish(fmt.Sprintf("p%d@example.com", person))
	r.Kind = kind
	mailed(w.t, w.Store, r)
	all, err := w.Cases(context.Background(), true)
	must(w.t, err)
	newest := slices.MaxFunc(all, func(a, b store.Case) int { return int(a.ID - b.ID) })
	return newest.ID
}

func (w *walk) confirmed(person int) int64 {
	w.t.Helper()
	id := w.opens(consent.KindErasure, person)
	c, err := w.Case(context.Background(), id)
	must(w.t, err)
	token, err := w.ConfirmLink(c)
	must(w.t, err)
	link, err := w.Keys().Links.Open(token)
	must(w.t, err)
	_, err = w.Confirm(context.Background(), link)
	must(w.t, err)
	return id
}
