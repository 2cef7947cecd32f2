"""One fit: features, covariance, the whitened space, LDA, logistic regression, temperature."""
