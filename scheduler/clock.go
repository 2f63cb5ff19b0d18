package scheduler

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"heed/store"
)

// lookAtClocks is how often the clocks are looked at: of cases, of alarms that
// nobody has ended, and of what has been kept long enough.
const lookAtClocks = time.Minute

// clockLoop looks at the clocks at once and every minute. Pokes do not wake
// it: nothing that it does is urgent.
func (s *Scheduler) clockLoop(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.clocks(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("scheduler_step_failed", "step", "clocks", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookAtClocks):
		}
	}
}

// clocks does what is due. One part that fails keeps no other from its work.
func (s *Scheduler) clocks(ctx context.Context) error {
	_, err := s.Store.RepeatAlarms(ctx)
	return errors.Join(s.activatePolicy(ctx), s.expireSignUps(ctx), s.watchCases(ctx), s.watchMailboxes(ctx), s.watchInboxes(ctx), s.watchReports(ctx), s.watchPaused(ctx), s.watchOutside(ctx), s.watchJobs(ctx), err, s.retain(ctx))
}

// retain takes away what was kept long enough, once a day.
func (s *Scheduler) retain(ctx context.Context) error {
	dropped, done, err := s.Store.RetainDaily(ctx)
	for _, d := range dropped {
		s.Log.Info("retention_done", "what", d.What, "rows", d.Rows, "whole", done)
	}
	return err
}

// activatePolicy brings a version of the policy into force when its notice is over.
func (s *Scheduler) activatePolicy(ctx context.Context) error {
	ids, err := s.Store.ActivatePolicy(ctx)
	for _, id := range ids {
		s.Log.Info("policy_in_force", "version", id)
	}
	return err
}

func (s *Scheduler) expireSignUps(ctx context.Context) error {
	n, err := s.Store.ExpireSignUps(ctx)
	if n > 0 {
		s.Log.Info("signups_expired", "n", n)
	}
	return err
}

func (s *Scheduler) watchCases(ctx context.Context) error {
	w, err := s.Store.WatchCases(ctx)
	if w != (store.Watched{}) {
		s.Log.Info("cases_watched", "reminded", w.Reminded, "alarms", w.Raised, "over", w.Over)
	}
	return err
}

// watchMailboxes has an alarm for each role whose mailbox could not be read
// for some minutes.
func (s *Scheduler) watchMailboxes(ctx context.Context) error {
	troubled, err := s.Store.TroubledMailboxes(ctx, store.MailboxPatience)
	if err != nil {
		return err
	}
	var keys []string
	for _, m := range troubled {
		if key := "mailbox " + m.Role; !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return s.Store.MatchAlarms(ctx, store.AlarmMailbox, keys)
}

// watchInboxes has an alarm for each mailbox of the configuration that no process
// looks into. Right after its start it knows too little.
func (s *Scheduler) watchInboxes(ctx context.Context) error {
	if s.Now().Sub(s.began) < store.MailboxPatience {
		return nil
	}
	silent, err := s.Store.SilentMailboxes(ctx, s.Mailboxes, store.MailboxPatience)
	if err != nil {
		return err
	}
	var keys []string
	for _, m := range silent {
		keys = append(keys, "mailbox "+m.Role)
	}
	return s.Store.MatchAlarms(ctx, store.AlarmInbox, keys)
}

// watchPaused has an alarm while a campaign that paused itself waits for a person.
func (s *Scheduler) watchPaused(ctx context.Context) error {
	keys, err := s.Store.PausedThemselves(ctx)
	if err != nil {
		return err
	}
	return s.Store.MatchAlarms(ctx, store.AlarmPaused, keys)
}

// watchJobs has an alarm for each kind of work that fails again and again.
func (s *Scheduler) watchJobs(ctx context.Context) error {
	kinds, err := s.Store.FailingKinds(ctx)
	if err != nil {
		return err
	}
	return s.Store.MatchAlarms(ctx, store.AlarmJobs, slices.Sorted(maps.Keys(kinds)))
}

// watchReports has an alarm while many reports come about mail that was never
// ours.
func (s *Scheduler) watchReports(ctx context.Context) error {
	many, err := s.Store.ManyForeignReports(ctx)
	if err != nil {
		return err
	}
	var keys []string
	if many {
		keys = append(keys, "reports")
	}
	return s.Store.MatchAlarms(ctx, store.AlarmForeign, keys)
}

// watchOutside has alarms for what waits for a second person, for partners and
// for the product.
func (s *Scheduler) watchOutside(ctx context.Context) error {
	var failed error
	for kind, look := range map[string]func(context.Context) ([]string, error){store.AlarmAlertHeld: s.Store.HeldKeys,
		store.AlarmPartner: s.Store.SilentPartners, store.AlarmFeed: s.Store.LateFeeds, store.AlarmService: s.Store.UncheckedServices} {
		keys, err := look(ctx)
		if err == nil {
			err = s.Store.MatchAlarms(ctx, kind, keys)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
