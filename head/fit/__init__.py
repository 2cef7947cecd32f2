"""One fit: features, covariance, the whitened space, LDA and logistic regression."""
