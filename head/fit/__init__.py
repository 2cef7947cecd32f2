"""One fit: features, their span, covariance, LDA, logistic regression, temperature."""
