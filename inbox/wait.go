package inbox

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
)

// await sleeps until the server tells of new mail, or until it is time to look
// again; meanwhile it keeps the lease.
func (v *visits) await(ctx context.Context, c *connection) error {
	if len(c.news) > 0 {
		return nil
	}
	if !c.caps.Has(imap.CapIdle) {
		return v.sleep(ctx, c, v.every())
	}
	err := c.watched(commandTime, "asking to be told of new mail", c.idle)
	if err != nil {
		return err
	}
	if err := v.sleep(ctx, c, min(v.every(), idleTime)); err != nil {
		return err
	}
	return c.watched(commandTime, "ending the wait for new mail", c.wake)
}

func (v *visits) sleep(ctx context.Context, c *connection, d time.Duration) error {
	look, renew := time.NewTimer(d), time.NewTicker(leaseRenew)
	defer look.Stop()
	defer renew.Stop()
	for {
		select {
		case <-c.news:
			return nil
		case <-look.C:
			return v.lease(ctx)
		case <-renew.C:
			if err := v.lease(ctx); err != nil {
				return err
			}
		case <-c.client.Closed():
			return errors.New("the server closed the connection")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func drain(news chan struct{}) {
	select {
	case <-news:
	default:
	}
}
